"""Forms that ask for transcriptions and translations: what is refused, what is sent, to whom."""

import pytest

from polyrelay.exchange.operation import Operation
from polyrelay.exchange.transcript import Wish
from polyrelay.kernel.errors import InvalidRequest, Refusal
from polyrelay.wire.openai_audio import transcription
from polyrelay.wire.openai_audio.transcription import TranscriptionRequest
from polyrelay.wire.openai_audio.transcription_replies import Events, Foreign, Json, Text
from polyrelay.wire.whisper_asr.hearing import HEARING
from support import forms
from support.forms import Piece, field, file
from support.recordings import AnyUpstream, Posted, posted, sent, wav

FILE = file("file", wav(2), "speech.wav", "audio/wav")
MODEL = field("model", b"whisper-1")
CHUNKING = b'{"type":"server_vad","threshold":0.4}'


def read(*pieces: Piece, translate: bool = False) -> TranscriptionRequest:
    return transcription.read(posted(FILE, MODEL, *pieces), HEARING, translate=translate)


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        *(
            [field("response_format", name)]
            for name in (b"json", b"text", b"srt", b"verbose_json", b"vtt", b"diarized_json")
        ),
        [field("stream", b"true"), field("include[]", b"logprobs")],
        [field("timestamp_granularities[]", b"word"), field("timestamp_granularities[]", b"segment")],
        [field("timestamp_granularities", b"word")],
        [field("chunking_strategy", b"auto")],
        [field("chunking_strategy", CHUNKING)],
        [field("chunking_strategy[type]", b"server_vad"), field("chunking_strategy[threshold]", b"0.4")],
        [
            field("known_speaker_names[]", b"a"),
            field("known_speaker_references[]", b"data:audio/wav;base64," + b"A" * 400_000),
        ],
        [field("languages[]", b"en"), field("languages[]", b"de"), field("keywords[]", b"polyrelay")],
        [field("temperature", b"0.5"), field("language", b"en"), field("prompt", "世界".encode())],
        [field("vendor_extra", b"passes"), file("another", b"file")],
        [field("response_format", b""), field("temperature", b""), field("stream", b"")],
    ],
)
def test_what_the_contract_allows_passes_byte_for_byte(pieces: list[Piece]) -> None:
    request = read(*pieces)
    out = request.outbound(Operation.TRANSCRIPTION, AnyUpstream(), "whisper-1", None)
    assert sent(out.body) == forms.body(FILE, MODEL, *pieces)
    assert out.content_type == forms.content_type().decode()


@pytest.mark.parametrize(
    ("pieces", "param", "code"),
    [
        ([field("response_format", b"xml")], "response_format", "invalid_value"),
        ([field("temperature", b"1.01")], "temperature", "invalid_value"),
        ([field("temperature", b"-0.01")], "temperature", "invalid_value"),
        ([field("temperature", b"nan")], "temperature", "invalid_value"),
        ([field("temperature", b"warm")], "temperature", "invalid_type"),
        ([field("stream", b"maybe")], "stream", "invalid_type"),
        ([field("timestamp_granularities[]", b"letter")], "timestamp_granularities", "invalid_value"),
        ([field("include[]", b"everything")], "include", "invalid_value"),
        ([field("known_speaker_names[]", b"a")] * 5, "known_speaker_names", "array_above_max_length"),
        ([field("chunking_strategy", b"manual")], "chunking_strategy", "invalid_value"),
        ([field("chunking_strategy", b"[]")], "chunking_strategy", "invalid_value"),
        ([field("model", b"another")], "model", "duplicate_field"),
        ([field("Stream", b"true")], "Stream", "unknown_parameter"),
        ([file("file", b"second")], "file", "duplicate_field"),
    ],
)
def test_a_breach_names_its_field(pieces: list[Piece], param: str, code: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(*pieces)
    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize(
    ("pieces", "param"), [([FILE], "model"), ([FILE, field("model", b"")], "model"), ([MODEL], "file")]
)
def test_what_is_missing_is_named(pieces: list[Piece], param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        transcription.read(posted(*pieces), HEARING, translate=False)
    assert (caught.value.param, caught.value.code) == (param, "missing_required_parameter")


def test_a_translation_has_no_speakers() -> None:
    with pytest.raises(InvalidRequest) as caught:
        read(field("response_format", b"diarized_json"), translate=True)
    assert caught.value.param == "response_format"


def test_no_form() -> None:
    with pytest.raises(Refusal) as caught:
        transcription.read(Posted(None, None), HEARING, translate=False)
    assert caught.value.status == 415


def test_only_the_models_name_is_spliced() -> None:
    out = read(field("prompt", b"x")).outbound(Operation.TRANSCRIPTION, AnyUpstream(), "large-v3", None)
    assert sent(out.body) == forms.body(FILE, field("model", b"large-v3"), field("prompt", b"x"))


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ([], Json),
        ([field("response_format", b"diarized_json")], Json),
        ([field("response_format", b"text")], Text),
        ([field("response_format", b"srt")], Text),
        ([field("response_format", b"vtt")], Text),
        ([field("stream", b"True")], Events),
    ],
)
def test_how_the_answer_is_taken(pieces: list[Piece], kind: type) -> None:
    out = read(*pieces).outbound(Operation.TRANSCRIPTION, AnyUpstream(), "whisper-1", None)
    assert type(out.reply) is kind


@pytest.mark.parametrize(
    ("pieces", "translate", "operations"),
    [
        ([], False, (Operation.TRANSCRIPTION, Operation.ASR)),
        ([], True, (Operation.TRANSLATION, Operation.ASR)),
        ([field("response_format", b"diarized_json")], False, (Operation.TRANSCRIPTION,)),
        ([field("include[]", b"logprobs")], False, (Operation.TRANSCRIPTION,)),
    ],
)
def test_who_can_serve_it(pieces: list[Piece], translate: bool, operations: tuple[Operation, ...]) -> None:
    assert read(*pieces, translate=translate).operations == operations


def test_whisper_asr_gets_the_file_alone_and_the_rest_as_a_query() -> None:
    pieces = [
        field("language", b"de"),
        field("prompt", b"a & b"),
        field("response_format", b"verbose_json"),
        field("timestamp_granularities[]", b"word"),
    ]
    out = read(*pieces).outbound(Operation.ASR, AnyUpstream(), "anything", None)
    assert sent(out.body) == forms.body(file("audio_file", wav(2), "speech.wav", "audio/wav"))
    assert out.query == (
        "output=json&task=transcribe&encode=true&language=de&initial_prompt=a+%26+b&word_timestamps=true"
    )
    assert type(out.reply) is Foreign


def test_whisper_asr_gets_codes_and_what_whisper_reads_of_a_prompt() -> None:
    pieces = [field("language", b"German"), field("prompt", b"x" * 5000 + b"end")]
    out = read(*pieces).outbound(Operation.ASR, AnyUpstream(), "anything", None)
    assert out.query.endswith(f"language=de&initial_prompt={'x' * 1997}end")


def test_a_translation_at_whisper_asr() -> None:
    out = read(translate=True).outbound(Operation.ASR, AnyUpstream(), "anything", None)
    assert out.query == "output=json&task=translate&encode=true"


def test_wishes() -> None:
    asked = read(field("response_format", b"srt"), field("timestamp_granularities[]", b"word")).fields
    assert asked.wish == Wish(segments=True)
    asked = read(field("response_format", b"verbose_json"), field("timestamp_granularities[]", b"word")).fields
    assert (asked.wish.words, asked.segments) == (True, False)


def test_known_speakers_are_listened_to_as_well() -> None:
    voices = [field("known_speaker_references[]", b"data:audio/wav;base64,AAAA")] * 2
    call = read(*voices).call
    assert call.references.audio == 3
    assert call.references.inline_bytes == len(wav(2)) + 2 * len(voices[0].value)
