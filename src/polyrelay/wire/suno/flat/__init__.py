"""The flat dialect of gcui-art/suno-api, under /suno-api (WIRE 2.2)."""
