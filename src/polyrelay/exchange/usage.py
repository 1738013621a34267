"""What an answer consumed, in disjoint buckets: no token is counted in two of them."""

import msgspec


class ImageCount(msgspec.Struct, frozen=True, gc=False):
    """`count` images of one `size` (`1024x1024`) and `quality` (`hd`), as the vendor names them; None when unnamed."""

    size: str | None
    quality: str | None
    count: int


class Usage(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Counts per bucket; tokens unless named otherwise. `estimated` marks figures the upstream did not state, seconds
    and characters apart: `seconds_estimated` marks those that were neither stated nor read from the medium itself,
    `characters_estimated` those of a text that was said in part.

    `seconds` are whole seconds of audio or video (rounded up by the adapter), `characters` of speech text,
    `images` made, `tasks` jobs done (a song, a video). `megapixel_steps` are images x sampling steps x megapixels,
    summed over a call and rounded up once: what a diffusion model's work grows with. An adapter counts in every unit
    that a tariff may price.
    """

    input_text: int = 0
    cached_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    input_audio: int = 0
    input_image: int = 0
    input_video: int = 0
    output_text: int = 0
    reasoning: int = 0
    output_audio: int = 0
    output_image: int = 0
    requests: int = 1
    estimated: bool = False
    seconds: int = 0
    characters: int = 0
    images: tuple[ImageCount, ...] = ()
    tasks: int = 0
    megapixel_steps: int = 0
    seconds_estimated: bool = False
    characters_estimated: bool = False

    @property
    def input_tokens(self) -> int:
        """All tokens that went in, cached ones included."""
        return (
            self.input_text
            + self.cached_read
            + self.cache_write_5m
            + self.cache_write_1h
            + self.input_audio
            + self.input_image
            + self.input_video
        )

    @property
    def output_tokens(self) -> int:
        """All tokens that came out, reasoning included."""
        return self.output_text + self.reasoning + self.output_audio + self.output_image

    @property
    def total_tokens(self) -> int:
        """Everything in and out."""
        return self.input_tokens + self.output_tokens


INPUT_BUCKETS = (
    "input_text",
    "cached_read",
    "cache_write_5m",
    "cache_write_1h",
    "input_audio",
    "input_image",
    "input_video",
)
OUTPUT_BUCKETS = ("output_text", "reasoning", "output_audio", "output_image")

BUCKETS = INPUT_BUCKETS + OUTPUT_BUCKETS
"""The token buckets, in declaration order."""

UNITS = ("requests", "seconds", "characters", "images", "tasks", "megapixel_steps")
"""What is counted in other units than tokens."""
