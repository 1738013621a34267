"""The API of a Stable Diffusion WebUI: txt2img and img2img (WIRE 3.1)."""
