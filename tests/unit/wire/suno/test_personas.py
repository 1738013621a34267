from typing import Any

import pytest

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.dialect import Garbled
from polyrelay.wire.suno import personas
from polyrelay.wire.suno.personas import Query
from support import suno

ID = "5a5a5a5a-0000-4000-8000-000000000001"


def page(**members: Any) -> dict[str, Any]:
    clip = suno.clip("c-1", "complete", video_cover_url="https://x", user={"id": 5})
    persona = {
        "id": ID,
        "name": "Nina",
        "description": "warm",
        "image_s3_id": "https://cdn1.suno.ai/p.jpeg",
        "root_clip_id": "c-1",
        "clip": clip,
        "user_display_name": "Somebody",
        "user_handle": "somebody",
        "user_image_url": "https://cdn1.suno.ai/u.jpeg",
        "persona_clips": [{"clip": clip}, {"clip": {}}, 5],
        "is_suno_persona": False,
        "is_trashed": False,
        "is_owned": False,
        "is_public": True,
        "is_public_approved": True,
        "is_loved": True,
        "upvote_count": 7,
        "clip_count": 1,
        "session": "secret",
        **members,
    }
    return {"persona": persona, "total_results": 1, "current_page": 1, "is_following": True, "cookie": "secret"}


def test_a_page_has_the_members_of_the_dialect() -> None:
    shown = personas.read(page())
    persona = shown["persona"]
    assert set(shown) == {"persona", "total_results", "current_page", "is_following"}
    assert set(persona) == set(page()["persona"]) - {"session"}
    assert (persona["id"], persona["name"], persona["upvote_count"], persona["is_public"]) == (ID, "Nina", 7, True)
    assert (persona["user_handle"], persona["user_display_name"]) == ("somebody", "Somebody")
    (sung,) = persona["persona_clips"]
    assert sung["clip"] == persona["clip"]
    assert (sung["clip"]["id"], sung["clip"]["metadata"]["tags"]) == ("c-1", "salsa")
    assert sung["clip"]["audio_url"].endswith("c-1.mp3")


def test_the_account_that_was_used_to_ask_does_not_show() -> None:
    for owned in (True, None):
        shown = personas.read(page(is_owned=owned))
        persona = shown["persona"]
        assert (persona["is_owned"], persona["is_loved"], shown["is_following"]) == (False, False, False)
        assert (persona["user_handle"], persona["user_display_name"], persona["user_image_url"]) == ("", "", "")
        assert "Operator" not in str(shown)
        assert "operator" not in str(shown)


def test_texts_are_those_that_are_no_address() -> None:
    texts = list(personas.said(personas.read(page())))
    assert {"Nina", "warm", "salsa", "[Verse]\n\nLa la"} <= set(texts)
    assert not [text for text in texts if "://" in text]


def test_pages_are_bounded() -> None:
    clip = {"clip": suno.clip("c-1")}
    shown = personas.read(page(persona_clips=[clip] * (personas.MOST_CLIPS + 1)))
    assert len(shown["persona"]["persona_clips"]) == personas.MOST_CLIPS


@pytest.mark.parametrize("value", [None, [], {}, {"persona": None}, {"persona": {"name": "x"}}, {"persona": []}])
def test_what_is_no_persona(value: object) -> None:
    with pytest.raises(Garbled):
        personas.read(value)


def test_questions() -> None:
    assert personas.read_query(f"id={ID}".encode(), "m") == Query(ID, 1, "m")
    assert personas.read_query(f"id={ID}&page=3&model=x".encode(), "m") == Query(ID, 3, "x")
    assert personas.read_query(f"id={ID}&page=&model=".encode(), "m") == Query(ID, 1, "m")


@pytest.mark.parametrize(
    ("query", "param"),
    [
        (b"", "id"),
        (b"id=", "id"),
        (b"id=..", "id"),
        (b"id=a%2Fb", "id"),
        (b"id=" + b"a" * 65, "id"),
        (b"id=a&page=x", "page"),
        (b"id=a&page=-1", "page"),
        (b"id=a&model=" + b"x" * 257, "model"),
    ],
)
def test_questions_that_are_refused(query: bytes, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        personas.read_query(query, "m")
    assert caught.value.param == param
