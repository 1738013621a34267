"""What the relay must know of a vendor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """A vendor whose protocol is OpenAI chat completions.

    `chat_path` follows the channel's base URL. `takes_stream_options` says whether `stream_options.include_usage`
    may be asked of it; a vendor that refuses the field reports usage on its own or not at all.
    """

    name: str
    title: str
    chat_path: str = "/chat/completions"
    takes_stream_options: bool = True
