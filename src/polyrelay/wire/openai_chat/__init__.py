"""OpenAI chat completions: the request contract, the observed stream and answer, usage and errors (WIRE 4.1)."""
