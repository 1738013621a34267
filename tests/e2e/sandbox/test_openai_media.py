import base64
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from polyrelay.sandbox.images import picture

from .vendor import Vendor, until

TEXT = "Hello there. How are you today?"
deprecated = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""The SDK announces the end of some calls; upstreams of other vendors go on having them."""
PNG = picture.draw(picture.digest_of("before"), 5, 64, 64)


@pytest.fixture
def client(vendor: Vendor) -> Iterator[Any]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{vendor.port}/v1", api_key="any", max_retries=0) as made:
        yield made


@pytest.fixture
def recording(client: Any, tmp_path: Path) -> Path:
    path = tmp_path / "said.wav"
    client.audio.speech.create(model="tts-1", input=TEXT, voice="alloy", response_format="wav").write_to_file(path)
    return path


def code(image: Any) -> tuple[str, int]:
    return picture.read_back(base64.b64decode(image.b64_json))


def test_generating_images(client: Any) -> None:
    answer = client.images.generate(model="gpt-image-1", prompt="a cat", n=2, size="1024x1024", quality="high")
    assert [code(image)[0] for image in answer.data] == [picture.digest_of("a cat")] * 2
    assert answer.usage.output_tokens == 2 * 4160
    linked = client.images.generate(model="dall-e-2", prompt="a dog", size="256x256")
    with urllib.request.urlopen(linked.data[0].url, timeout=10) as fetched:
        assert picture.read_back(fetched.read())[0] == picture.digest_of("a dog")


def test_images_in_a_stream(client: Any) -> None:
    options = {"model": "gpt-image-1", "prompt": "a cat", "stream": True, "partial_images": 2}
    with client.images.generate(**options) as stream:
        events = list(stream)
    assert [event.type.rpartition(".")[2] for event in events] == ["partial_image", "partial_image", "completed"]
    assert code(events[-1])[0] == picture.digest_of("a cat")
    assert events[-1].usage.total_tokens > 0


@deprecated
def test_editing_and_varying_images(client: Any) -> None:
    edited = client.images.edit(model="gpt-image-1", prompt="a hat", image=[("a.png", PNG), ("b.png", PNG)], mask=PNG)
    assert code(edited.data[0]) == (picture.digest_of("a hat"), picture.seed_of(PNG, PNG))
    with client.images.edit(model="gpt-image-1", prompt="a hat", image=PNG, stream=True) as stream:
        assert [event.type for event in stream] == ["image_edit.completed"]
    varied = client.images.create_variation(image=PNG, n=2, size="256x256", response_format="b64_json")
    assert code(varied.data[0])[1] == picture.seed_of(PNG)


@pytest.mark.parametrize("kind", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
def test_speech_to_a_file_and_back(client: Any, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"said.{kind}"
    options = {"model": "gpt-4o-mini-tts", "input": TEXT, "voice": "alloy", "response_format": kind}
    with client.audio.speech.with_streaming_response.create(**options) as answer:
        answer.stream_to_file(path)
    with path.open("rb") as file:
        heard = client.audio.transcriptions.create(model="whisper-1", file=file)
    assert heard.text == TEXT


@deprecated
def test_transcriptions_in_every_format(client: Any, recording: Path) -> None:
    def heard(model: str = "whisper-1", **options: Any) -> Any:
        return client.audio.transcriptions.create(model=model, file=recording.read_bytes(), **options)

    words = heard(response_format="verbose_json", timestamp_granularities=["word", "segment"])
    assert [word.word for word in words.words] == TEXT.split()
    assert abs(words.segments[-1].end - words.duration) < 0.01
    assert heard(response_format="text").strip() == TEXT
    assert "-->" in heard(response_format="srt")
    assert heard(response_format="vtt").startswith("WEBVTT")
    tokens = heard("gpt-4o-transcribe", include=["logprobs"], chunking_strategy={"type": "server_vad"})
    assert (tokens.usage.type, tokens.logprobs[0].token) == ("tokens", "Hello")
    speakers = heard("gpt-4o-transcribe-diarize", response_format="diarized_json", chunking_strategy="auto")
    assert speakers.segments[0].speaker == "A"
    assert client.audio.translations.create(model="whisper-1", file=recording.read_bytes()).text == TEXT


def test_a_transcription_in_a_stream(client: Any, recording: Path) -> None:
    data = recording.read_bytes()
    with client.audio.transcriptions.create(model="gpt-4o-transcribe", file=data, stream=True) as stream:
        events = list(stream)
    assert "".join(event.delta for event in events[:-1]) == TEXT == events[-1].text


@deprecated
def test_videos(client: Any) -> None:
    made = client.videos.create(prompt="a cat", model="sandbox:video=50ms", seconds="4", input_reference=PNG)
    until(lambda: client.videos.retrieve(made.id).status == "completed")
    film = client.videos.download_content(made.id).read()
    assert film[4:8] == b"ftyp"
    remix = client.videos.remix(made.id, prompt="a dog")
    assert remix.remixed_from_video_id == made.id
    assert {video.id for video in client.videos.list()} == {made.id, remix.id}
    assert client.videos.delete(made.id).deleted
    with pytest.raises(openai.NotFoundError):
        client.videos.retrieve(made.id)


def test_errors_are_the_sdks(client: Any) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model="gpt-image-1", prompt="x", size="7x7")
    assert caught.value.param == "size"
    with pytest.raises(openai.RateLimitError):
        client.audio.speech.create(model="sandbox:status=429", input="x", voice="alloy")
    stream = client.images.generate(model="sandbox:error=1", prompt="x", size="64x64", stream=True, partial_images=1)
    with pytest.raises(openai.APIError, match="told to fail"):
        list(stream)


def test_speech_is_cut_in_the_middle(client: Any) -> None:
    options = {"model": "sandbox:cut=1000", "input": TEXT, "voice": "alloy", "response_format": "wav"}
    with pytest.raises(openai.APIError):
        client.audio.speech.create(**options)


def test_a_client_that_leaves_during_speech_is_noticed(vendor: Vendor) -> None:
    body = json.dumps({"model": "sandbox:seconds=60,pace=20ms", "input": TEXT, "voice": "a", "response_format": "pcm"})
    with vendor.connect() as sock:
        sock.sendall(f"POST /v1/audio/speech HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n{body}".encode())
        assert sock.recv(4096)
    until(lambda: vendor.sandbox.requests[-1].outcome == "client_left")
    assert 0 < vendor.sandbox.requests[-1].sent < 1_000_000


def test_a_client_that_leaves_while_its_picture_is_drawn_is_noticed(vendor: Vendor) -> None:
    body = json.dumps({"model": "m", "prompt": "x", "size": "2000x2000", "n": 4, "response_format": "b64_json"})
    head = f"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    with vendor.connect() as sock:
        sock.sendall((head + body).encode())
        until(lambda: vendor.sandbox.state()["exchanges_active"] == 1)
    until(lambda: vendor.sandbox.requests[-1].outcome == "client_left")
    until(lambda: vendor.sandbox.state()["exchanges_active"] == 0)


def test_other_answers_go_on_while_a_picture_is_drawn(vendor: Vendor) -> None:
    body = json.dumps({"model": "m", "prompt": "x", "size": "2000x2000", "n": 4, "response_format": "b64_json"})
    head = f"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    with vendor.connect() as sock:
        sock.sendall((head + body).encode())
        until(lambda: vendor.sandbox.state()["exchanges_active"] == 1)
        assert vendor.see().head.startswith(b"HTTP/1.1 200")
        assert vendor.sandbox.requests[0].outcome == "answering"


def test_requests_behind_a_picture_keep_their_order(vendor: Vendor) -> None:
    body = json.dumps({"model": "m", "prompt": "x", "size": "512x512"}).encode()
    head = b"POST /v1/images/generations HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % len(body)
    with vendor.connect() as sock:
        sock.sendall(head + body + vendor.request("sandbox:tokens=1", close=False) + vendor.request("sandbox:tokens=2"))
        seen = b""
        while data := sock.recv(65536):
            seen += data
    places = [seen.index(mark) for mark in (b"/media/images/", b'"sandbox:tokens=1"', b'"sandbox:tokens=2"')]
    assert places == sorted(places)
