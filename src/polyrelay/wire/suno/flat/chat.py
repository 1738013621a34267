"""A song by way of a chat: gcui's `/v1/chat/completions`, whose answer is text in Markdown and no JSON (WIRE 2.2)."""

from collections.abc import Sequence
from typing import Any

from polyrelay.exchange.job import Stage
from polyrelay.exchange.music import Clip
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import answers, forms
from polyrelay.wire.answers import Answer
from polyrelay.wire.forms import Form
from polyrelay.wire.suno import requests, view
from polyrelay.wire.suno.flat import surface
from polyrelay.wire.suno.requests import Name, Submission
from polyrelay.wire.suno.view import JobView

_TEXT = b"text/plain; charset=utf-8"


class _Message(Form):
    role: str
    content: str | list[dict[str, Any]] | None = None


class _ChatForm(Form):
    messages: list[_Message]
    model: Name | None = None
    make_instrumental: bool | None = None


def read(body: bytes) -> Submission:
    """A song of what the last message of a user says. Other members are of chats and mean nothing here.

    Raises `errors.InvalidRequest`.
    """
    form, _ = forms.checked(forms.json(body), _ChatForm)
    wanted = next((message for message in reversed(form.messages) if message.role == "user"), None)
    words = "" if wanted is None else _words(wanted)
    if not words.strip():
        message = "No message of a user says what the song is to be about."
        raise InvalidRequest(message, code="missing_required_parameter", param="messages")
    if len(words) > requests.MOST_WORDS:
        message = f"Invalid 'messages': a description has at most {requests.MOST_WORDS} characters."
        raise InvalidRequest(message, code="string_above_max_length", param="messages")
    song = {"prompt": words, "model": form.model, "make_instrumental": form.make_instrumental, "wait_audio": True}
    return requests.music(song, surface.DEFAULT_MODEL, described=True)


def told(job: JobView) -> Answer | None:
    """The song in words and links, or why there is none; None while there is nothing to hear."""
    if job.stage is Stage.FAILED:
        return answers.of({"error": view.reason(job) or "The song could not be made."}, status=500)
    heard = [clip for clip in view.takes(job) if clip.audio_url]
    return (200, ((b"content-type", _TEXT),), _markdown(heard).encode()) if heard else None


def _words(spoken: _Message) -> str:
    """The text of a message. Raises `errors.InvalidRequest` when there is anything else in it."""
    if not isinstance(spoken.content, list):
        return spoken.content or ""
    texts = [part.get("text") for part in spoken.content]
    found = [text for text in texts if isinstance(text, str)]
    if len(found) < len(texts):
        message = "Invalid 'messages': a song is described by text alone."
        raise InvalidRequest(message, code="invalid_value", param="messages")
    return "\n".join(found)


def _markdown(heard: Sequence[Clip]) -> str:
    first = heard[0]
    parts = [f"## {' '.join(first.title.split()) or 'Untitled'}"]
    if first.image_url:
        parts.append(f"![Cover]({first.image_url})")
    if first.lyrics.strip():
        parts.append(f"### Lyrics\n\n{first.lyrics.strip()}")
    listen = [f"- [Take {number}]({clip.audio_url})" for number, clip in enumerate(heard, start=1)]
    return "\n\n".join([*parts, "### Listen\n\n" + "\n".join(listen)]) + "\n"
