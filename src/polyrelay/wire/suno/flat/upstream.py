"""An upstream that speaks the flat dialect; its base URL is what stands before `/api` (WIRE 2.2)."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.music import AlignedWord, Concat, Lyrics, LyricsAsk, MusicAsk, Stems
from polyrelay.wire import replies
from polyrelay.wire.dialect import Asked, Garbled, Message, Unsupported
from polyrelay.wire.suno import alignment, clips, outgoing, personas, progress

BATCH = 10
"""Songs in one poll: two clips each make one page, and an upstream may hand out no more."""

_TASKS = (None, "extend")


class Flat:
    """See `Dialect` and `Studio`."""

    def most_polled(self, ask: Ask) -> int:
        """Songs share a poll, lyrics are never polled; stems are asked for one by one: there may be a page of them."""
        return 1 if isinstance(ask, Stems) else BATCH

    def submit(self, ask: Ask, model: str) -> Message:
        """Raises `Unsupported`: this dialect extends no clip by a description, and has no tasks but extending."""
        match ask:
            case MusicAsk():
                path, song = _song(ask, model)
                return Message("POST", path, outgoing.body(song, ask.extra))
            case Concat():
                body = outgoing.body({"clip_id": ask.clip, "is_infill": ask.infill}, ask.extra)
                return Message("POST", "/api/concat", body)
            case Stems():
                return Message("POST", "/api/generate_stems", outgoing.body({"audio_id": ask.clip}, ask.extra))
            case LyricsAsk():
                body = outgoing.body({"prompt": ask.prompt}, ask.extra)
                return Message("POST", "/api/generate_lyrics", body, slow=True)
            case _:
                raise Unsupported("Suno makes no videos")

    def accepted(self, ask: Ask, status: int, body: bytes) -> tuple[Upstreamed, Snapshot]:
        """Raises `Declined`, `Garbled`."""
        value = replies.value(status, body)
        if isinstance(ask, LyricsAsk):
            return Upstreamed(), _written(value)
        begun = clips.read_any(value) if isinstance(ask, Concat) else clips.read_all(value)
        if not begun:
            raise Garbled("no clips")
        snapshot = progress.snapshot(begun)
        return Upstreamed(snapshot.clips, snapshot.clips), snapshot

    def poll(self, jobs: Sequence[Asked]) -> Message:
        """All clips in one question."""
        ids = [quote(name, safe="") for job in jobs for name in job.upstreamed.ids]
        return Message("GET", f"/api/get?ids={','.join(ids)}")

    def polled(self, jobs: Sequence[Asked], status: int, body: bytes) -> list[Snapshot | None]:
        """Raises `Declined`, `Garbled`."""
        return progress.feed(jobs, replies.value(status, body))

    def alignment(self, clip: str) -> Message:
        """See `Studio`."""
        return Message("GET", f"/api/get_aligned_lyrics?song_id={quote(clip, safe='')}")

    def aligned(self, status: int, body: bytes) -> tuple[AlignedWord, ...]:
        """Raises `Declined`, `Garbled`."""
        return alignment.read(replies.value(status, body))

    def persona(self, name: str, page: int) -> Message:
        """See `Studio`."""
        return Message("GET", f"/api/persona?id={quote(name, safe='')}&page={page}")

    def persona_page(self, status: int, body: bytes) -> dict[str, Any]:
        """Raises `Declined`, `Garbled`."""
        return personas.read(replies.value(status, body))


def _song(ask: MusicAsk, model: str) -> tuple[str, dict[str, Any]]:
    """The path that makes such a song, and its body."""
    if ask.task not in _TASKS:
        raise Unsupported(f"task {ask.task}")
    song: dict[str, Any] = {"make_instrumental": ask.instrumental, "model": model, "wait_audio": False}
    words = {"tags": ask.tags, "title": ask.title, "negative_tags": ask.negative_tags}
    if ask.continue_clip is not None:
        if ask.description:
            raise Unsupported("a clip extended by a description")
        place = {} if ask.continue_at is None else {"continue_at": ask.continue_at}
        return "/api/extend_audio", {"audio_id": ask.continue_clip, "prompt": ask.prompt, **place, **words, **song}
    if ask.description:
        said = {name: value for name, value in words.items() if value}
        return "/api/generate", {"prompt": ask.description, **said, **song}
    return "/api/custom_generate", {"prompt": ask.prompt, **words, **song}


def _written(value: Any) -> Snapshot:
    if not isinstance(value, dict):
        raise Garbled("lyrics that are no object")
    if replies.text(value.get("status")).strip().lower() == "error":
        return Snapshot(Stage.FAILED, 100, reason=replies.words(value) or None)
    if not isinstance(value.get("text"), str):
        raise Garbled("lyrics without text")
    return Snapshot(Stage.SUCCEEDED, 100, Lyrics(value["text"], replies.text(value.get("title"))))
