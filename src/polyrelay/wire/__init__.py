"""Sans-io codecs, one folder per protocol: bytes in, decisions out. No loop, clock, socket or log."""
