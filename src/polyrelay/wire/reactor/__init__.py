"""The API of ReActor, an extension of a Stable Diffusion WebUI (WIRE 3.4)."""
