"""What an answer consumed, in disjoint buckets: no token is counted in two of them."""

import msgspec


class Usage(msgspec.Struct, frozen=True, gc=False):
    """Counts per bucket; tokens unless named otherwise. `estimated` marks figures the upstream did not state."""

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


BUCKETS = tuple(name for name in Usage.__struct_fields__ if name not in {"requests", "estimated"})
"""The token buckets, in declaration order."""
