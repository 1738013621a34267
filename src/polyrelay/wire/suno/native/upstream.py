"""An upstream that speaks the studio API's dialect; its base URL is what stands before `/api` (WIRE 2.1)."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from polyrelay.exchange.job import Ask, Snapshot, Stage, Upstreamed
from polyrelay.exchange.music import AlignedWord, Clip, Concat, Lyrics, LyricsAsk, MusicAsk, Stems
from polyrelay.wire import replies
from polyrelay.wire.dialect import Asked, Garbled, Message, Unsupported
from polyrelay.wire.suno import alignment, clips, outgoing, personas, progress

BATCH = 10
"""Songs in one poll: two clips each make one page of the feed, and an upstream may hand out no more."""

_LYRIC_STAGES = {
    "complete": Stage.SUCCEEDED,
    "error": Stage.FAILED,
    "queued": Stage.QUEUED,
    "streaming": Stage.RUNNING,
    "running": Stage.RUNNING,
}


class Native:
    """See `Dialect` and `Studio`."""

    def most_polled(self, ask: Ask) -> int:
        """Songs share a poll; lyrics are asked for one by one, and so are stems, of which there may be a page."""
        return 1 if isinstance(ask, LyricsAsk | Stems) else BATCH

    def submit(self, ask: Ask, model: str) -> Message:
        """Raises `Unsupported`."""
        match ask:
            case MusicAsk():
                return Message("POST", "/api/generate/v2/", outgoing.body(_song(ask, model), ask.extra))
            case Concat():
                body = outgoing.body({"clip_id": ask.clip, "is_infill": ask.infill}, ask.extra)
                return Message("POST", "/api/generate/concat/v2/", body)
            case Stems():
                return Message("POST", f"/api/edit/stems/{quote(ask.clip, safe='')}", outgoing.body({}, ask.extra))
            case LyricsAsk():
                return Message("POST", "/api/generate/lyrics/", outgoing.body({"prompt": ask.prompt}, ask.extra))
            case _:
                raise Unsupported("Suno makes no videos")

    def accepted(self, ask: Ask, status: int, body: bytes) -> tuple[Upstreamed, Snapshot]:
        """Raises `Declined`, `Garbled`."""
        value = replies.value(status, body)
        if isinstance(ask, LyricsAsk):
            name = replies.name(value.get("id")) if isinstance(value, dict) else None
            if name is None:
                raise Garbled("lyrics without an id")
            return Upstreamed((name,)), Snapshot(Stage.SUBMITTED)
        return _begun(clips.read_any(value) if isinstance(ask, Concat) else clips.read_all(value))

    def poll(self, jobs: Sequence[Asked]) -> Message:
        """All clips of songs in one feed."""
        ids = [name for job in jobs for name in job.upstreamed.ids]
        if isinstance(jobs[0].ask, LyricsAsk):
            return Message("GET", f"/api/generate/lyrics/{quote(ids[0], safe='')}")
        return Message("GET", f"/api/feed/?ids={','.join(quote(name, safe='') for name in ids)}")

    def polled(self, jobs: Sequence[Asked], status: int, body: bytes) -> list[Snapshot | None]:
        """Raises `Declined`, `Garbled`."""
        value = replies.value(status, body)
        if isinstance(jobs[0].ask, LyricsAsk):
            return [_lyrics(value)]
        return progress.feed(jobs, value)

    def alignment(self, clip: str) -> Message:
        """See `Studio`."""
        return Message("GET", f"/api/gen/{quote(clip, safe='')}/aligned_lyrics/v2/")

    def aligned(self, status: int, body: bytes) -> tuple[AlignedWord, ...]:
        """Raises `Declined`, `Garbled`."""
        value = replies.value(status, body)
        return alignment.read(value.get("aligned_words") if isinstance(value, dict) else None)

    def persona(self, name: str, page: int) -> Message:
        """See `Studio`."""
        return Message("GET", f"/api/persona/get-persona-paginated/{quote(name, safe='')}/?page={page}")

    def persona_page(self, status: int, body: bytes) -> dict[str, Any]:
        """Raises `Declined`, `Garbled`."""
        return personas.read(replies.value(status, body))


def _song(ask: MusicAsk, model: str) -> dict[str, Any]:
    """Members that only say they are absent are left out, but for those that seed 003 wants in any case."""
    song: dict[str, Any] = {
        "prompt": ask.prompt,
        "tags": ask.tags,
        "mv": model,
        "title": ask.title,
        "make_instrumental": ask.instrumental,
        "generation_type": ask.extra.get("generation_type", "TEXT"),
    }
    if ask.description:
        song["gpt_description_prompt"] = ask.description
    if ask.negative_tags:
        song["negative_tags"] = ask.negative_tags
    if ask.continue_clip is not None:
        song |= {"continue_clip_id": ask.continue_clip, "continue_at": ask.continue_at}
    if ask.task or ask.continue_clip is not None:
        song["task"] = ask.task or "extend"
    return song


def _begun(begun: list[Clip]) -> tuple[Upstreamed, Snapshot]:
    if not begun:
        raise Garbled("no clips")
    snapshot = progress.snapshot(begun)
    return Upstreamed(snapshot.clips, snapshot.clips), snapshot


def _lyrics(value: Any) -> Snapshot | None:
    """None when they are complete and empty: they may not be there yet."""
    if not isinstance(value, dict):
        raise Garbled("lyrics that are no object")
    written = Lyrics(replies.text(value.get("text")), replies.text(value.get("title")))
    word = replies.text(value.get("status")).strip().lower()
    stage = _LYRIC_STAGES.get(word, Stage.SUCCEEDED if written.text and not word else Stage.RUNNING)
    if stage is Stage.SUCCEEDED:
        return Snapshot(stage, 100, written) if written.text else None
    if stage is Stage.FAILED:
        return Snapshot(stage, 100, reason=replies.words(value) or None)
    return Snapshot(stage)
