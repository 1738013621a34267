"""What the sandbox is to do with one request, as data.

A script is written after the model's name, `sandbox:first=200ms,pace=20ms,tokens=64,cut=1234`, or sent to
`POST /sandbox/script`, where the path of a call may stand in place of a model. The grammar:

    model   = name [":" options]          ; name begins with "sandbox", else there are no options
    options = option *("," option)
    option  = key ["=" value]             ; a bare key means key=1

Names beginning with `sandbox-` may be presets (see PRESETS); options override the preset's. Any other model name
gets a plain answer at once. `describe()` prints every key with its meaning; the fields of `Script` are its source.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from polyrelay.sandbox import values
from polyrelay.sandbox.lives import Life
from polyrelay.sandbox.values import Reader, ScriptError


def _option(default: object, read: Reader, meaning: str) -> Any:
    return field(default=default, metadata={"read": read, "meaning": meaning})


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Every choice there is; the defaults are a well-behaved, fast vendor. Times are seconds, positions bytes."""

    headers: float = _option(0.0, values.seconds, "wait before the status line (200ms, 1.5s)")
    first: float = _option(0.0, values.seconds, "wait between the headers and the first body byte")
    pace: float = _option(0.0, values.seconds, "wait between two writes of a stream")

    tokens: int | None = _option(
        None, values.count, "exactly so many content pieces, each one token; of media the output tokens as said"
    )
    piece: int | None = _option(None, values.size, "bytes of each content piece; tokens=1,piece=8MB is a huge answer")
    reasoning: int | None = _option(None, values.count, "so many reasoning_content pieces before the answer")
    tools: int | None = _option(None, values.count, "so many tool calls (0: none) when the request has tools")
    prompt: int | None = _option(None, values.count, "usage.prompt_tokens (or input tokens) as said")
    cached: int | None = _option(None, values.count, "usage.prompt_tokens_details.cached_tokens as said")
    finish: str | None = _option(None, values.text, "finish_reason as said, such as content_filter")
    stamp: bool = _option(
        False, values.switch, "each piece is the send time: 20 digits of CLOCK_MONOTONIC nanoseconds and a space"
    )
    seconds: float | None = _option(None, values.length, "speech, songs and videos exactly so long (2.5)")
    step: float = _option(0.0002, values.seconds, "Stable Diffusion: time for each step of each batch")
    song: Life = _option(  # noqa: RUF009 - a field, and its default is frozen
        Life(), values.life, "life of a song or of lyrics: 2.0, error, half (one clip fails), stuck, 2.0+error"
    )
    video: Life = _option(Life(), values.life, "life of a video, written like that of a song")  # noqa: RUF009 - as above
    engine: str = _option(
        "openai_whisper",
        values.one_of("openai_whisper", "faster_whisper", "whisperx"),
        "whisper-asr: whose shape its JSON has",
    )
    fresh: bool = _option(False, values.switch, "a new id and the real time in each answer instead of the seed's")

    status: int = _option(200, values.count, "answer with this HTTP status and an error body; 3xx redirects")
    code: str | None = _option(None, values.text, "error.code as said, such as insufficient_quota")
    retry_after: str | None = _option(None, values.text, "the retry-after header, any value")
    html: bool = _option(False, values.switch, "an HTML error page with status 200")
    type: str | None = _option(None, values.text, "content-type as said, such as text/plain")
    inform: tuple[int, ...] = _option((), values.statuses, "interim answers first: 100, 103 or 100+103")

    empty: str = _option(
        "no", values.one_of("no", "body", "done"), "body: 200 without a byte; done: a stream of [DONE] only"
    )
    error: int | None = _option(None, values.count, "an error frame in place of frame N (0: first), then the end")
    malformed: int | None = _option(None, values.count, "frame N is broken JSON; a unary body is cut in half")
    usage: str = _option(
        "asked",
        values.one_of("asked", "none", "last", "every"),
        "none: missing; last: inside the last choice's chunk; every: in each chunk, or for images of any model",
    )
    done: bool = _option(True, values.switch, "0: the stream ends without [DONE]")
    newline: str = _option("lf", values.one_of("lf", "crlf", "cr"), "line ends of SSE: lf, crlf or cr")
    comments: int = _option(0, values.count, "an SSE comment before every Nth frame")
    pings: int = _option(0, values.count, "an `event: ping` frame before every Nth frame")
    multiline: bool = _option(False, values.switch, "each frame's JSON over several data: lines")

    split: int | None = _option(
        None, values.count, "write the body N bytes at a time, however frames lie (1: each byte)"
    )
    coalesce: int = _option(1, values.count, "so many frames in one write")
    gzip: bool = _option(False, values.switch, "content-encoding: gzip (stamp is then ignored)")
    framing: str = _option(
        "auto",
        values.one_of("auto", "length", "chunked", "close"),
        "how the body ends; auto: content-length for JSON, chunked for streams",
    )
    length: int = _option(0, values.difference, "content-length too long (+N, then closes) or too short (-N)")
    garbage: str = _option(
        "no", values.one_of("no", "body", "wire"), "trailing garbage inside the body, or on the wire after its end"
    )

    cut: int | None = _option(None, values.size, "close after N body bytes, without the end")
    stall: int | None = _option(None, values.size, "after N body bytes send nothing until the client leaves")
    reset: int | None = _option(None, values.size, "TCP reset after N body bytes")
    before: str = _option(
        "no", values.one_of("no", "close", "reset", "stall"), "do that instead of answering: no byte is sent"
    )
    after: str = _option(
        "no",
        values.one_of("no", "close", "reset", "drop"),
        "after a whole keep-alive answer: close or reset at once; drop: close when the next request arrives",
    )

    handshake: float = _option(0.0, values.seconds, "(connections) wait before the TLS handshake, or before reading")
    door: str = _option(
        "no",
        values.one_of("no", "close", "reset", "mute"),
        "(connections) on accept; mute: never say a word, not even TLS",
    )


PRESETS: Mapping[str, str] = {
    "sandbox": "",
    "sandbox-fast": "tokens=16",
    "sandbox-demo": "first=150ms,pace=25ms",
    "sandbox-slow": "first=2s,pace=200ms",
    "sandbox-reasoning": "reasoning=24,pace=10ms",
    "sandbox-tools": "tools=1",
    "sandbox-broken": "status=500",
}
"""Models that `GET /v1/models` lists, and the options each stands for."""

CONNECTIONS = "@connections"
"""In place of a model's name: the script is for the next connections, not requests (`handshake`, `door`)."""

_OPTIONS = {option.name: option for option in fields(Script)}


def for_model(model: str) -> Script:
    """The script that a model's name says.

    Raises:
        ScriptError: the name begins with `sandbox` and its options cannot be understood.
    """
    name, _, options = model.partition(":")
    if not name.startswith("sandbox"):
        return Script()
    return replace(Script(), **{**changes(PRESETS.get(name, "")), **changes(options)})


def changes(written: str | Mapping[str, object]) -> dict[str, Any]:
    """The fields of `Script` that options set, from their text or from a JSON object. Keys may use `-` or `_`.

    Raises:
        ScriptError: an unknown key, or a value its key does not allow.
    """
    pairs = dict(_pairs(written)) if isinstance(written, str) else written
    changed: dict[str, Any] = {}
    for key, value in pairs.items():
        option = _OPTIONS.get(key.strip().replace("-", "_"))
        if option is None:
            raise ScriptError(f"unknown option {key!r}; there are {', '.join(_OPTIONS)}")
        try:
            changed[option.name] = option.default if value is None else option.metadata["read"](value)
        except ScriptError as error:
            raise ScriptError(f"option {key!r}: {error}") from None
    return changed


def describe() -> str:
    """Every option with its meaning, and the presets, as plain text for a terminal."""
    options = [f"  {name.replace('_', '-'):12} {option.metadata['meaning']}" for name, option in _OPTIONS.items()]
    presets = [f"  {name:18} {written or 'plain answers at once'}" for name, written in PRESETS.items()]
    return "\n".join(
        ["Options, after the model's name (sandbox:first=200ms,tokens=64):", *options, "", "Models:", *presets]
    )


def _pairs(written: str) -> list[tuple[str, object]]:
    pairs: list[tuple[str, object]] = []
    for part in written.split(",") if written else ():
        key, equals, value = part.partition("=")
        pairs.append((key, value if equals else "1"))
    return pairs
