"""Stable Diffusion WebUI and ReActor (WIRE 3): behaviour as seen from outside, in our own words."""
