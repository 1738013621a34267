"""Suno as three kinds of upstream speak it (WIRE 2.1 to 2.3), over one studio."""
