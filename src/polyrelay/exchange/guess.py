"""Usage that nobody stated, from the bytes of a request and of its answer."""

from polyrelay.exchange.call import Call
from polyrelay.exchange.usage import Usage

BYTES_PER_TOKEN = 4
"""Rule of thumb of OpenAI's tokenizer page for English text: for token limits and for estimates, never for a hold."""


def tokens(size: int) -> int:
    """Tokens that `size` bytes of text usually are, rounded up."""
    return -(-max(size, 0) // BYTES_PER_TOKEN)


def estimated(call: Call, delivered: int, cap: int | None) -> Usage:
    """Usage from bytes: the text of the body in, `delivered` content bytes out, marked estimated.

    Never more than a hold for `call` covers, whose bound counts a token for each byte of text, and at most `cap` tokens
    out (None: what the client asked for, if it said) for each choice. Tokens of media cannot be told from bytes: none.
    """
    output = tokens(delivered)
    most = cap if cap is not None else call.max_output
    return Usage(
        input_text=tokens(call.input_bytes - call.references.inline_bytes),
        output_text=output if most is None else min(output, most * call.choices),
        estimated=True,
    )
