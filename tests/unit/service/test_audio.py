"""The life of calls for sound and for transcripts where they differ from a chat."""

import json
from typing import Any

import msgspec
import pytest

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.outcome import Outcome
from polyrelay.exchange.usage import Usage
from polyrelay.service.dispatch import Dispatch
from polyrelay.service.ports import Inbound
from polyrelay.upstream.recorded import Answer
from support.forms import Piece, field, file
from support.recordings import posted, wav
from support.stage import JSON, TOKEN, Page, Stage, comments, stream, whole

CUT = Fault(FaultKind.CUT, "secret detail 10.0.0.1")
SOUND = ((b"content-type", b"audio/mpeg"),)
SECOND = 48_000
PCM = {"response_format": "pcm"}


def opened(stage: Stage, inbound: Inbound, *, deliver: bool = True) -> tuple[Dispatch | None, Page]:
    page = Page(stage.diary)
    stage.time.pass_(0.002)
    dispatch = stage.relay.open(inbound, page)
    if deliver:
        stage.upstream.deliver()
    return dispatch, page


def speak(stage: Stage, *, deliver: bool = True, **fields: Any) -> tuple[Dispatch | None, Page]:
    body = msgspec.json.encode({"model": "m", "input": "Hello!!!", "voice": "alloy", **PCM, **fields})
    head = [(b"authorization", b"Bearer " + TOKEN.encode())]
    return opened(stage, Inbound("openai_speech", head, body, "127.0.0.1", stage.time.now), deliver=deliver)


def transcribe(
    stage: Stage, *pieces: Piece, surface: str = "openai_transcriptions", query: bytes = b"", deliver: bool = True
) -> tuple[Dispatch | None, Page]:
    name = "file" if surface.startswith("openai") else "audio_file"
    incoming = posted(file(name, wav(2.5), "a b.wav"), field("model", b"m"), *pieces)
    head = [(b"authorization", b"Bearer " + TOKEN.encode())]
    inbound = Inbound(surface, head, b"", "127.0.0.1", stage.time.now, query, incoming.form, incoming.upload)
    return opened(stage, inbound, deliver=deliver)


def used(stage: Stage) -> Usage:
    found = stage.records[-1].usage
    assert found is not None
    return found


def spoken(seconds: int) -> Usage:
    return Usage(input_text=2, output_audio=20 * seconds, seconds=seconds, characters=8, estimated=True)


def test_sound_leaves_as_it_comes_and_its_last_byte_after_the_books() -> None:
    chunks = (bytes(SECOND - 1) + b"a", b"b", bytes(SECOND - 2) + b"c")
    stage = Stage(Answer(200, SOUND, chunks))
    _, page = speak(stage)
    assert page.body == b"".join(chunks)
    assert page.headers[b"content-type"] == b"audio/mpeg"
    assert stage.diary == ["reserve", "sent", "start 200", "write", "write", "write", "settle", "write", "finish"]
    assert used(stage) == spoken(2)
    stage.at_rest()


def test_the_client_has_all_but_a_byte_of_what_came() -> None:
    stage = Stage(Answer(200, SOUND, (bytes(SECOND),), hangs=True))
    dispatch, page = speak(stage)
    assert len(page.body) == SECOND - 1
    assert dispatch is not None
    dispatch.client_gone()
    assert stage.records[-1].outcome is Outcome.CLIENT_GONE
    assert used(stage) == spoken(1)
    stage.at_rest()


@pytest.mark.parametrize(
    "answer",
    [
        Answer(200, SOUND, ()),
        Answer(200, ((b"content-type", b"text/html"),), (b"<html>",)),
        whole(b'{"error":{"message":"no"}}'),
        Answer(500, JSON),
    ],
)
def test_no_sound_fails_over_and_is_free(answer: Answer) -> None:
    stage = Stage(answer, Answer(200, SOUND, (bytes(SECOND),)), channels=2)
    _, page = speak(stage)
    assert (page.status, stage.records[-1].attempts) == (200, 2)
    alone = Stage(answer)
    _, page = speak(alone)
    assert page.status == 502
    assert alone.records[-1].usage is None
    alone.at_rest()


def test_sound_that_breaks_off_is_cut_and_charged_as_far_as_it_came() -> None:
    stage = Stage(Answer(200, SOUND, (bytes(SECOND), bytes(SECOND)), fault=CUT), channels=2)
    _, page = speak(stage)
    assert page.ended == "cut"
    assert stage.records[-1].outcome is Outcome.TRUNCATED
    assert used(stage) == spoken(2)
    stage.at_rest()


LONG = "a" * 120
"""Ten seconds at the usual pace."""


@pytest.mark.parametrize(("seconds", "characters"), [(1, 12), (5, 60), (10, 120), (11, 120)])
def test_a_text_that_the_upstream_says_in_part_is_charged_in_part(seconds: int, characters: int) -> None:
    stage = Stage(Answer(200, SOUND, (bytes(seconds * SECOND),), fault=CUT), channels=2)
    speak(stage, input=LONG)
    assert (used(stage).characters, used(stage).seconds) == (characters, seconds)
    assert used(stage).characters_estimated is (characters < len(LONG))
    stage.at_rest()


def test_a_text_that_the_relay_cuts_is_charged_in_part() -> None:
    stage = Stage(Answer(200, SOUND, (bytes(SECOND),), hangs=True))
    dispatch, page = speak(stage, input=LONG)
    assert dispatch is not None
    dispatch.shut()
    assert (page.ended, used(stage).characters) == ("cut", 12)
    stage.at_rest()


def test_a_client_that_hangs_up_pays_the_text_that_was_read() -> None:
    stage = Stage(Answer(200, SOUND, (bytes(SECOND),), hangs=True))
    dispatch, _ = speak(stage, input=LONG)
    assert dispatch is not None
    dispatch.client_gone()
    assert (used(stage).characters, used(stage).seconds, used(stage).characters_estimated) == (120, 1, False)
    stage.at_rest()


def test_a_client_that_leaves_before_the_first_sound_pays_the_text_and_a_second() -> None:
    stage = Stage(Answer(200, SOUND, (), hangs=True))
    dispatch, _ = speak(stage)
    assert dispatch is not None
    dispatch.client_gone()
    assert used(stage) == Usage(input_text=2, characters=8, seconds=1, estimated=True, seconds_estimated=True)
    stage.at_rest()


def event(**members: Any) -> bytes:
    return b"data: " + json.dumps(members).encode() + b"\n\n"


def test_events_end_with_their_usage() -> None:
    done = event(type="speech.audio.done", usage={"input_tokens": 3, "output_tokens": 20, "total_tokens": 23})
    stage = Stage(stream(event(type="speech.audio.delta", audio="AAAA"), done))
    _, page = speak(stage, stream_format="sse")
    assert page.body.endswith(done)
    assert (used(stage).input_text, used(stage).output_audio, used(stage).estimated) == (3, 20, False)
    assert stage.records[-1].finish == "speech.audio.done"
    stage.at_rest()


def test_events_that_stop_without_their_end_are_truncated() -> None:
    stage = Stage(stream(event(type="speech.audio.delta", audio="A" * 64_000)))
    _, page = speak(stage, stream_format="sse")
    assert b'"error"' in page.body
    assert stage.records[-1].outcome is Outcome.TRUNCATED
    assert (used(stage).characters, used(stage).seconds) == (8, 1)
    assert used(stage).characters_estimated is False


@pytest.mark.parametrize("ending", [b"", event(type="error", error={"message": "overloaded"})])
def test_events_that_stop_early_cost_what_they_brought(ending: bytes) -> None:
    stage = Stage(stream(event(type="speech.audio.delta", audio="A" * 64_000), ending))
    speak(stage, input=LONG, stream_format="sse")
    assert (used(stage).characters, used(stage).characters_estimated) == (12, True)
    stage.at_rest()


TRANSCRIPT = b'{"text":"Hi there.","usage":{"type":"duration","seconds":3}}'


def test_a_transcript_is_counted_in_every_unit() -> None:
    stage = Stage(whole(TRANSCRIPT))
    _, page = transcribe(stage)
    assert page.body == TRANSCRIPT
    assert used(stage) == Usage(input_audio=30, output_text=3, seconds=3, estimated=True)
    (sent,) = stage.upstream.bodies
    assert b"vendor-m" in sent
    assert stage.upstream.requests[0].url == "https://a.example/v1/audio/transcriptions"
    stage.at_rest()


def delta(text: str) -> bytes:
    return event(type="transcript.text.delta", delta=text)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (delta("a" * 20), 1),
        (delta("a" * 21), 2),
        (delta("a" * 2000), 3),
        (event(type="transcript.text.segment", text="Hi", end=1.5), 2),
        (event(type="transcript.text.segment", text="Hi", end=99), 3),
    ],
)
def test_a_transcript_that_breaks_off_costs_as_much_of_the_recording_as_was_heard(answer: bytes, seconds: int) -> None:
    stage = Stage(stream(answer, fault=CUT))
    transcribe(stage, field("stream", b"true"))
    assert stage.records[-1].outcome is Outcome.TRUNCATED
    assert (used(stage).seconds, used(stage).seconds_estimated, used(stage).input_audio) == (seconds, True, 25)
    stage.at_rest()


def test_a_client_that_hangs_up_on_a_transcript_pays_the_recording() -> None:
    stage = Stage(stream(delta("Hi"), hangs=True))
    dispatch, _ = transcribe(stage, field("stream", b"true"))
    assert dispatch is not None
    dispatch.client_gone()
    assert used(stage).seconds == 3
    stage.at_rest()


def test_the_form_is_sent_anew_to_the_next_channel() -> None:
    stage = Stage(Answer(500, JSON), whole(TRANSCRIPT), channels=2)
    _, page = transcribe(stage)
    assert page.status == 200
    first, second = stage.upstream.bodies
    assert first == second
    stage.at_rest()


def test_one_object_in_place_of_a_stream_is_told_as_events() -> None:
    stage = Stage(whole(TRANSCRIPT))
    _, page = transcribe(stage, field("stream", b"true"))
    assert page.headers[b"content-type"].startswith(b"text/event-stream")
    assert page.body.startswith(b'data: {"type":"transcript.text.delta","delta":"Hi there."}\n\n')
    stage.at_rest()


def test_the_same_after_comments_have_begun_the_answer() -> None:
    stage = Stage(whole(TRANSCRIPT), answers=comments(1.0))
    _, page = transcribe(stage, field("stream", b"true"), deliver=False)
    stage.time.pass_(2.5)
    assert page.body == b": keep-alive\n\n" * 2
    stage.upstream.deliver()
    assert page.body.count(b"data: ") == 2
    assert not page.closed
    stage.at_rest()


def test_a_service_of_openai_answers_a_client_of_asr() -> None:
    stage = Stage(whole(b'{"text":"Hi.","duration":2.4,"segments":[{"start":0,"end":2.4,"text":" Hi."}]}'))
    _, page = transcribe(stage, surface="asr", query=b"model=m&output=srt")
    assert page.body == b"1\n00:00:00,000 --> 00:00:02,400\nHi.\n\n"
    assert page.headers[b"content-type"] == b"text/plain; charset=utf-8"
    assert page.headers[b"content-disposition"] == b'attachment; filename="a%20b.wav.srt"'
    assert page.headers[b"asr-engine"] == b"openai_api"
    assert used(stage).seconds == 3
    stage.at_rest()


SAID = "The upstream provider rejected this request"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        (
            "response_format 'verbose_json' is not compatible.",
            f"{SAID}: response_format 'verbose_json' is not compatible.",
        ),
        ("Ask https://other.example or ops@other.example.", f"{SAID}: Ask … or …"),
        ("Denied at a.example.", f"{SAID}."),
        ("Denied for key-a.", f"{SAID}."),
        ("", f"{SAID}."),
    ],
)
@pytest.mark.parametrize("status", [400, 413, 422])
def test_an_upstream_of_openai_says_no_to_a_client_of_asr(status: int, message: str, told: str) -> None:
    stage = Stage(Answer(status, JSON, (json.dumps({"error": {"message": message, "type": "x"}}).encode(),)))
    _, page = transcribe(stage, surface="asr", query=b"model=m&output=srt")
    assert (page.status, page.json) == (status, {"detail": told})
    stage.at_rest()


@pytest.mark.parametrize("body", [b"<html>no</html>", b'{"error":"no"}', b'{"detail":5}', b"", b"{" * 300_000])
def test_a_rejection_in_no_protocol_is_told_in_our_words(body: bytes) -> None:
    stage = Stage(Answer(400, JSON, (body,)))
    _, page = transcribe(stage, surface="asr", query=b"model=m&output=srt")
    assert (page.status, page.json) == (400, {"detail": f"{SAID}."})
    stage.at_rest()


def test_refusals_of_asr_are_its_own() -> None:
    stage = Stage()
    _, page = transcribe(stage, surface="asr", query=b"output=xml")
    assert (page.status, page.json["detail"][0]["loc"]) == (422, ["query", "output"])
    _, page = transcribe(stage, surface="detect_language", query=b"model=m")
    assert (page.status, page.json["detail"][0]["loc"][-1]) == (422, "model")
    _, page = transcribe(stage, surface="detect_language", query=b"model=none")
    assert (page.status, type(page.json["detail"])) == (404, str)
