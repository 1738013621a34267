"""What tests of sound share: what is said, who says it, what it costs."""

from typing import Any

from polyrelay.wire.containers import duration
from support.processes import RelayProcess, Vendor, http

TEXT = "Hello there. How are you today?"
FORMATS = ["mp3", "opus", "aac", "flac", "wav", "pcm"]
SPOKEN = (
    '"tts-1", "gpt-4o-mini-tts", { name = "by-second", upstream = "tts-1" }, '
    '{ name = "said-by-events", upstream = "gpt-4o-mini-tts" }, "whisper-1", "gpt-4o-transcribe", '
    '"gpt-4o-transcribe-diarize", { name = "asr", upstream = "whisper-1" }, "both"'
)
SELL = {
    "tts-1": 'per_character = "0.000015"',
    "by-second": 'per_second = "0.01"',
    "said-by-events": 'per_character = "0.000015"',
    "gpt-4o-mini-tts": 'input_text = "0.60", output_text = "12"',
    **dict.fromkeys(("whisper-1", "asr", "native", "both"), 'per_second = "0.0001"'),
    **dict.fromkeys(
        ("gpt-4o-transcribe", "gpt-4o-transcribe-diarize"), 'input_text = "2.50", input_audio = "6", output_text = "10"'
    ),
}
TARIFFS = "".join(
    f'[[tariffs]]\nmodel = "{model}"\nsell = {{ {sell} }}\nmaxima = {{ context = 16000 }}\n'
    for model, sell in SELL.items()
)


def whisper_asr(name: str, sandbox: Vendor, models: str, extra: str = "") -> str:
    """Without a credential: it asks for none."""
    root = sandbox.base_url.removesuffix("/v1")
    return (
        f'[[channels]]\nname = "{name}"\nprovider = "whisper_asr"\nbase_url = "{root}"\nmodels = [{models}]\n{extra}\n'
    )


def seconds(sound: bytes, kind: str) -> float:
    found = duration.of(lambda size, offset: sound[offset : offset + size], len(sound))
    if kind == "pcm":
        return len(sound) / 48_000
    assert found is not None
    return found.seconds


def asr(served: RelayProcess, recording: bytes, path: str = "/v1/asr", name: str = "audio_file", **query: str) -> Any:
    return http.post(
        served.url + path,
        params=query,
        files={name: ("my speech.wav", recording)},
        headers={"authorization": f"Bearer {served.key}"},
    )
