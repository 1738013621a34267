"""Suno in three dialects, each for clients and for upstreams: asks, songs and lyrics are the same in all (WIRE 2)."""
