"""What the relay must know of a vendor."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Profile:
    """A vendor whose protocol is OpenAI chat completions.

    `chat_path` follows the channel's base URL. `takes_stream_options` says whether `stream_options.include_usage`
    may be asked of it; a vendor that refuses the field reports usage on its own or not at all. `cap_field` is the name
    by which it is told an output cap that the client did not set; `only_cap_field` says that it overlooks the other
    name (`max_tokens` or `max_completion_tokens`) in silence, so that a cap given under that name must be repeated.
    """

    name: str
    title: str
    chat_path: str = "/chat/completions"
    takes_stream_options: bool = True
    cap_field: str = "max_tokens"
    only_cap_field: bool = False
