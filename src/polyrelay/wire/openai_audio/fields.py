"""The fields of a form that asks for a transcription or a translation, checked (WIRE 4.2). Unknown ones pass.

Lists come as repeated parts named `name[]`, and are taken as `name` as well. `chunking_strategy` is a word, an object
in JSON or parts like `chunking_strategy[type]`; what it says is the vendor's to judge.
"""

from typing import Literal, get_args

import msgspec

from polyrelay.exchange.transcript import Wish
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import echo
from polyrelay.wire.multipart.form import Form, Part

TextFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
Format = Literal["json", "text", "srt", "verbose_json", "vtt", "diarized_json"]

MOST_SPEAKERS = 4
_FORMATS: tuple[Format, ...] = get_args(Format)
_TEXT_FORMATS: tuple[TextFormat, ...] = get_args(TextFormat)
_TRUE = frozenset({"true", "1"})
_FALSE = frozenset({"false", "0", ""})
_SPEAKERS = ("known_speaker_names", "known_speaker_references")
_TIMED: frozenset[Format] = frozenset({"srt", "verbose_json", "vtt"})


class Fields(msgspec.Struct, frozen=True, gc=False):
    """What a form asks for. `voices` are recordings of known speakers; `wish` is all of it that other protocols know,
    if `plain`.
    """

    model: str
    format: Format
    stream: bool
    plain: bool
    wish: Wish
    segments: bool
    voices: tuple[Part, ...]


def read(form: Form, *, translate: bool) -> Fields:
    """Check `form`. Raises `InvalidRequest` naming the field."""
    model = form.text("model")
    if not model:
        raise InvalidRequest("Missing required parameter: 'model'.", code="missing_required_parameter", param="model")
    shape: Format = _one_of(form, "response_format", _TEXT_FORMATS if translate else _FORMATS) or "json"
    _check_temperature(form)
    prompt, words, segments = form.text("prompt"), False, True
    stream = language = None
    include: list[str] = []
    if not translate:
        stream, language = _boolean(form, "stream"), form.text("language")
        include = _listed(form, "include", ("logprobs",))
        asked = _listed(form, "timestamp_granularities", ("word", "segment"))
        words, segments = "word" in asked, not asked or "segment" in asked
        for name in _SPEAKERS:
            _check_count(form, name)
        _check_chunking(form)
    wish = Wish(translate, language or None, prompt or None, words and shape == "verbose_json", shape in _TIMED)
    plain = shape != "diarized_json" and not include
    return Fields(model, shape, stream is True, plain, wish, segments, tuple(_parts(form, _SPEAKERS[1])))


def _one_of(form: Form, name: str, allowed: tuple[Format, ...]) -> Format | None:
    given = form.text(name)
    if not given:
        return None
    for value in allowed:
        if value == given:
            return value
    raise _not_among(name, given, allowed)


def _boolean(form: Form, name: str) -> bool | None:
    given = form.text(name)
    if given is None:
        return None
    word = given.lower()
    if word not in _TRUE | _FALSE:
        raise InvalidRequest(f"Invalid type for '{name}': expected a boolean.", code="invalid_type", param=name)
    return word in _TRUE


def _check_temperature(form: Form) -> None:
    given = form.text("temperature")
    if not given:
        return
    try:
        value = float(given)
    except ValueError:
        message = "Invalid type for 'temperature': expected a number."
        raise InvalidRequest(message, code="invalid_type", param="temperature") from None
    if not 0 <= value <= 1:
        message = "Invalid 'temperature': expected a value from 0 to 1."
        raise InvalidRequest(message, code="invalid_value", param="temperature")


def _parts(form: Form, name: str) -> list[Part]:
    return [*form.named(name), *form.named(f"{name}[]")]


def _listed(form: Form, name: str, allowed: tuple[str, ...]) -> list[str]:
    given = [*form.values(name), *form.values(f"{name}[]")]
    values = [value.decode("utf-8", "replace") for value in given]
    for value in values:
        if value not in allowed:
            raise _not_among(name, value, allowed)
    return values


def _check_count(form: Form, name: str) -> None:
    if len(_parts(form, name)) > MOST_SPEAKERS:
        message = f"Invalid '{name}': array too long. Expected an array with at most {MOST_SPEAKERS} elements."
        raise InvalidRequest(message, code="array_above_max_length", param=name)


def _check_chunking(form: Form) -> None:
    for value in form.values("chunking_strategy"):
        if value.strip() in (b"", b"auto", b"null"):
            continue
        try:
            msgspec.json.decode(value, type=dict)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            message = "Invalid 'chunking_strategy': expected 'auto' or an object in JSON."
            raise InvalidRequest(message, code="invalid_value", param="chunking_strategy") from None


def _not_among(name: str, given: str, allowed: tuple[str, ...]) -> InvalidRequest:
    shown = ", ".join(map(repr, allowed))
    message = f"Invalid value for '{name}': {echo.cut(given)!r}. Supported values are: {shown}."
    return InvalidRequest(message, code="invalid_value", param=name)
