"""The studio API's own dialect, as seed 003 has it under /v1/suno (WIRE 2.1)."""
