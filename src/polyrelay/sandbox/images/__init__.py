"""OpenAI's images (WIRE 4.3) and the pictures that all upstreams of the sandbox send."""
