from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyrelay.exchange import names
from polyrelay.exchange.job import Ask
from polyrelay.exchange.music import Concat, LyricsAsk, MusicAsk, Stems
from polyrelay.exchange.names import Place
from polyrelay.exchange.video import VideoAsk
from polyrelay.kernel import ids

JOB = "px_" + "0a" * 14
OTHER = "px_" + "0b" * 14


@given(st.integers(0, 2**47), st.binary(min_size=8, max_size=8), st.integers(0, 99))
def test_every_clip_names_its_job(millis: int, entropy: bytes, index: int) -> None:
    job_id = ids.exchange_id(millis, entropy)
    assert names.place(names.clip(job_id, index)) == Place(job_id, index)
    assert names.place(job_id) == Place(job_id)


@pytest.mark.parametrize(
    "name",
    ["", "px_", JOB[:-1], JOB + "0", JOB + "-", JOB + "-100", JOB + "-x", JOB.upper(), " " + JOB, JOB + "\n", "a,b"],
)
def test_other_names_stand_for_nothing(name: str) -> None:
    assert names.place(name) is None


def test_jobs_of_names() -> None:
    assert names.job_ids([JOB + "-1", OTHER, "x", JOB + "-0", ""]) == (JOB, OTHER)


EXTRA: dict[str, Any] = {"cover_clip_id": OTHER + "-1", "n": 1, "parts": [{"id": OTHER}, "words " + OTHER], "x": None}


@pytest.mark.parametrize(
    ("ask", "mentioned"),
    [
        (MusicAsk("m"), set()),
        (MusicAsk("m", continue_clip="any", continue_job=JOB, extra=EXTRA), {"any", JOB, OTHER, OTHER + "-1"}),
        (LyricsAsk("about " + JOB), set()),
        (LyricsAsk("p", {"of": JOB}), {JOB}),
        (Concat("uuid"), {"uuid"}),
        (Stems("uuid", {"of": JOB}), {"uuid", JOB}),
        (VideoAsk("m", "p", remix_of=JOB), {JOB}),
        (VideoAsk("m", JOB), set()),
    ],
)
def test_what_an_ask_mentions_is_renamed_and_nothing_else(ask: Ask, mentioned: set[str]) -> None:
    assert names.mentioned(ask) == mentioned
    there = {name: f"upstream-{number}" for number, name in enumerate(sorted(mentioned))}
    sent = names.renamed(ask, there)
    assert not mentioned & names.mentioned(sent)
    back = {new: old for old, new in there.items()}
    text = msgspec.json.encode(sent)
    for new, old in back.items():
        text = text.replace(new.encode(), old.encode())
    assert msgspec.json.decode(text, type=Ask) == ask
    assert names.renamed(ask, {}) == ask
