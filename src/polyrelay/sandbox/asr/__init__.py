"""whisper-asr-webservice (WIRE 4.5)."""
