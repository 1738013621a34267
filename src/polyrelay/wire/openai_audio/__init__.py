"""OpenAI's audio: speech from text, transcription and translation of recordings (WIRE 4.2)."""
