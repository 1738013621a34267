"""How long audio lasts, read from its container. Pure, bounded, and never raises whatever the bytes are."""
