"""AiToEarn's video tasks: `/api/ai/video/generations` (WIRE 1.6, 1.9)."""
