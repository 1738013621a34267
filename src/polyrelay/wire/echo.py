"""How much of a client's own text a refusal repeats."""

ECHO_CHARACTERS = 64
"""Most characters of one echo, the ellipsis included: enough to recognise a name, too few to flood an answer or log."""


def cut(text: str) -> str:
    """`text`, its end replaced by an ellipsis where it is longer than `ECHO_CHARACTERS`."""
    return text if len(text) <= ECHO_CHARACTERS else text[: ECHO_CHARACTERS - 1] + "…"
