"""Videos as OpenAI and AiToEarn order them (WIRE 1.9, 4.3), over one studio."""
