"""The task dialect of Suno-API and new-api, under /suno (WIRE 2.3)."""
