"""Video tasks as OpenAI and AiToEarn have them, for clients and for upstreams (WIRE 1.9, 4.3)."""
