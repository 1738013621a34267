"""FastAPI's reasons as one text."""

import pytest

from polyrelay.wire.whisper_asr import detail


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"detail":"Too long."}', "Too long."),
        (b'{"detail":[{"loc":["query","output"],"msg":"Bad."},{"msg":"Worse."}]}', "output: Bad.; Worse."),
        (b'{"detail":[{"loc":["body",0],"msg":"Bad."},{"loc":[],"msg":"Worse."}]}', "Bad.; Worse."),
        (b'{"detail":[1,"x",{"msg":2},{"loc":"a","msg":"Bad."}]}', "Bad."),
        (b'{"detail":""}', None),
        (b'{"detail":[]}', None),
        (b'{"detail":5}', None),
        (b'{"error":{"message":"x"}}', None),
        (b"[" * 100_000, None),
        (b"\xff", None),
        (b"", None),
    ],
)
def test_words(body: bytes, words: str | None) -> None:
    assert detail.words(body) == words
