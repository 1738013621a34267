import pytest

from polyrelay.exchange.job import Ask, Upstreamed
from polyrelay.exchange.music import Concat, LyricsAsk, MusicAsk
from polyrelay.exchange.video import VideoAsk
from polyrelay.wire import dialects
from polyrelay.wire.dialect import Asked, Unsupported

ASKS: tuple[Ask, ...] = (MusicAsk("m", tags="pop"), LyricsAsk("p"), Concat("c"), VideoAsk("m", "p"))


@pytest.mark.parametrize("name", dialects.DIALECTS)
@pytest.mark.parametrize("ask", ASKS)
def test_each_dialect_speaks_of_its_own_things(name: str, ask: Ask) -> None:
    dialect = dialects.DIALECTS[name]
    if name.startswith("suno_") is isinstance(ask, VideoAsk):
        with pytest.raises(Unsupported):
            dialect.submit(ask, "m")
        return
    message = dialect.submit(ask, "m")
    assert message.method == "POST"
    assert message.body
    most = dialect.most_polled(ask)
    assert most >= 1
    poll = dialect.poll([Asked(ask, Upstreamed((f"id{number}",))) for number in range(most)])
    for path in (message.path, poll.path):
        assert path.startswith("/")
        assert path.isascii()
        assert " " not in path
    assert len(poll.path) < 8_000


def test_keepers_are_dialects() -> None:
    assert dialects.KEEPERS.keys() <= dialects.DIALECTS.keys()
    for name, keeper in dialects.KEEPERS.items():
        assert id(dialects.DIALECTS[name]) == id(keeper)
