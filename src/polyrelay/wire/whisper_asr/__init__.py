"""whisper-asr-webservice: `/asr` and `/detect-language` (WIRE 4.5)."""
