"""OpenAI's videos: `/v1/videos` (WIRE 4.3, openai_misc.json)."""
