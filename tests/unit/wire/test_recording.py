"""Which part is the recording, how long it may be, and what it comes to."""

import pytest

from polyrelay.exchange.call import Demand, References
from polyrelay.exchange.sound import Length
from polyrelay.exchange.usage import Usage
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import recording
from polyrelay.wire.recording import Recording
from support.forms import field, file
from support.recordings import Posted, posted, wav

NAMES = ("file",)


def measured(incoming: Posted, prompt: str = "") -> Recording:
    assert incoming.form is not None
    assert incoming.upload is not None
    return recording.measure(recording.find(incoming.form, NAMES), incoming.upload, prompt)


def test_the_length_is_read_from_the_container_wherever_it_lies_in_the_body() -> None:
    found = measured(posted(field("model", b"m"), file("file", wav(2.5)), field("prompt", b"p" * 1000)), "prompt")
    assert (found.length, found.most, found.prompt_tokens) == (Length(2.5, guessed=False), 3, 2)


def test_a_length_that_cannot_be_read_is_bounded_and_guessed_by_size() -> None:
    found = measured(posted(file("file", b"?" * 80_000)))
    assert (found.length, found.most) == (Length(10.0, guessed=True), 136)


@pytest.mark.parametrize(
    ("pieces", "param", "code"),
    [
        ([field("model", b"m")], "file", "missing_required_parameter"),
        ([field("file", b"not a file")], "file", "invalid_multipart"),
        ([file("file", b"")], "file", "invalid_value"),
        ([file("file", b"a"), file("file", b"b")], "file", "duplicate_field"),
    ],
)
def test_no_recording(pieces: list[object], param: str, code: str) -> None:
    incoming = posted(*pieces)  # type: ignore[arg-type]
    assert incoming.form is not None
    with pytest.raises(InvalidRequest) as caught:
        recording.find(incoming.form, NAMES)
    assert (caught.value.param, caught.value.code) == (param, code)


def test_usage_counts_every_unit() -> None:
    found = measured(posted(file("file", wav(9.01))), "12345678")
    assert found.usage("twelve bytes") == Usage(input_text=2, input_audio=91, output_text=3, seconds=10, estimated=True)


def test_a_stated_length_wins() -> None:
    found = measured(posted(file("file", wav(9))))
    usage = found.usage("", stated=12.2)
    assert (usage.seconds, usage.seconds_estimated) == (13, False)


def test_a_header_that_is_belied_by_what_was_heard_does_not_pay() -> None:
    found = measured(posted(file("file", wav(1))))
    assert found.usage("x" * 50).seconds == 1
    proven = found.usage("x" * 5_001)
    assert (proven.seconds, proven.seconds_estimated) == (101, True)
    cues = found.usage("", end=330.0)
    assert (cues.seconds, cues.seconds_estimated) == (300, True)


def test_a_phrase_that_ends_in_whispers_window_proves_nothing() -> None:
    assert measured(posted(file("file", wav(3)))).usage("", end=29.98).seconds == 3


def test_the_call_holds_seconds_and_counts_no_sound_as_text() -> None:
    incoming = posted(field("model", b"m"), file("file", wav(10)), file("voice", b"v" * 500))
    assert incoming.form is not None
    found = measured(incoming)
    call = recording.call("m", incoming.form, found, others=incoming.form.named("voice"))
    media = len(wav(10)) + 500
    assert call.references == References(audio=2, inline_bytes=media)
    assert 0 < call.input_bytes - media < 1000
    assert (call.demand, call.max_output, call.capped) == (Demand(seconds=10), 712, False)
