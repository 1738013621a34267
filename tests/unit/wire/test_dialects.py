from collections.abc import Mapping

import pytest

from polyrelay.exchange.job import Ask, Upstreamed
from polyrelay.exchange.music import Concat, LyricsAsk, MusicAsk, Stems
from polyrelay.exchange.video import VideoAsk
from polyrelay.wire import dialects
from polyrelay.wire.dialect import Asked, Studio, Unsupported

ASKS: tuple[Ask, ...] = (MusicAsk("m", tags="pop"), LyricsAsk("p"), Concat("c"), Stems("c"), VideoAsk("m", "p"))


@pytest.mark.parametrize("name", dialects.DIALECTS)
@pytest.mark.parametrize("ask", ASKS)
def test_each_dialect_speaks_of_its_own_things(name: str, ask: Ask) -> None:
    dialect = dialects.DIALECTS[name]
    if name.startswith("suno_") is isinstance(ask, VideoAsk) or (name == "suno_task" and isinstance(ask, Stems)):
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


@pytest.mark.parametrize("more", [dialects.KEEPERS, dialects.STUDIOS], ids=["keepers", "studios"])
def test_who_can_do_more_is_a_dialect(more: Mapping[str, object]) -> None:
    assert more.keys() <= dialects.DIALECTS.keys()
    for name, found in more.items():
        assert id(dialects.DIALECTS[name]) == id(found)


@pytest.mark.parametrize("studio", dialects.STUDIOS.values(), ids=list(dialects.STUDIOS))
def test_questions_carry_no_path_of_their_own(studio: Studio) -> None:
    for message in (studio.alignment("a/b?c#d"), studio.persona("a/b?c#d", 2)):
        assert (message.method, message.body) == ("GET", b"")
        assert "a%2Fb%3Fc%23d" in message.path
    assert "page=2" in studio.persona("p", 2).path
