"""The studio under all three dialects: songs, extensions, concatenations, stems and lyrics, and where each is in its
life.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, TypeVar
from uuid import uuid4

from polyrelay.sandbox.audio import mpeg
from polyrelay.sandbox.chat import prose
from polyrelay.sandbox.dice import Dice
from polyrelay.sandbox.lives import Life, Stage
from polyrelay.sandbox.music.clips import Clip, History, SongAsk
from polyrelay.sandbox.script import Script

_MOST_KEPT = 20_000
"""Older ones are forgotten."""
_USUAL_SECONDS = 12.0
_CREDITS_A_SONG = 10
_MONTHLY_LIMIT = 10_000_000
_LINES, _WORDS_A_LINE = 8, 6
_STEM = "gen_stem"
"""What the type of a stem is."""
_Kept = TypeVar("_Kept")


class NoSuchClipError(LookupError):
    """There is no clip of that id."""


@dataclass(frozen=True, slots=True)
class Lyrics:
    """Lyrics being written. `born` is in seconds since the epoch."""

    id: str
    prompt: str
    life: Life
    born: float
    title: str
    text: str

    def stage(self, now: float) -> Stage:
        """Where in its life it is."""
        return self.life.stage(now - self.born)


class Studio:
    """Keeps what was ordered; what has become of it follows from the time."""

    def __init__(self) -> None:
        self._clips: OrderedDict[str, Clip] = OrderedDict()
        self._lyrics: OrderedDict[str, Lyrics] = OrderedDict()
        self.songs_total = 0
        self.lyrics_total = 0

    def sing(self, ask: SongAsk, script: Script, dice: Dice, now: float) -> tuple[Clip, ...]:
        """Order two takes of a song.

        Raises:
            NoSuchClipError: the clip to be continued is not there.
        """
        history: History = ()
        if ask.continue_clip:
            before = self.clip(ask.continue_clip)
            history = (*before.history, (before.id, ask.continue_at))
        title = ask.title or f"Sandbox song {dice.below(1000)}"
        lyrics = ask.prompt or ("" if ask.instrumental else verses(ask.description, dice))
        self.songs_total += 1
        takes = tuple(
            Clip(
                id=str(uuid4()),
                ask=ask,
                life=script.song,
                born=now,
                title=title,
                lyrics=lyrics,
                seconds=_USUAL_SECONDS if script.seconds is None else script.seconds,
                second=second,
                history=history,
            )
            for second in (False, True)
        )
        for clip in takes:
            _keep(self._clips, clip.id, clip)
        return takes

    def concat(self, clip_id: str, script: Script, now: float) -> Clip:
        """Order the whole song that ends with an extension.

        Raises:
            NoSuchClipError: it is not there.
        """
        last = self.clip(clip_id)
        before = [(self._clips.get(name), at) for name, at in last.history]
        parts = [clip.seconds if at is None else min(at, clip.seconds) for clip, at in before if clip is not None]
        whole = replace(
            last,
            id=str(uuid4()),
            life=script.song,
            born=now,
            kind="concat",
            seconds=sum(parts) + last.seconds if script.seconds is None else script.seconds,
            second=False,
            history=(*last.history, (last.id, None)),
        )
        self.songs_total += 1
        _keep(self._clips, whole.id, whole)
        return whole

    def take_apart(self, clip_id: str, script: Script, now: float) -> tuple[Clip, ...]:
        """Order the stems of a clip: the voice, and what is left without it.

        Raises:
            NoSuchClipError: it is not there.
        """
        source = self.clip(clip_id)
        voice = replace(
            source,
            id=str(uuid4()),
            life=script.song,
            born=now,
            kind=_STEM,
            title=f"{source.title} (Vocals)",
            second=False,
            history=(),
            stem_from=source.id,
        )
        rest = replace(
            voice,
            id=str(uuid4()),
            ask=replace(source.ask, prompt="", instrumental=True),
            title=f"{source.title} (Instrumental)",
            lyrics="",
            second=True,
        )
        self.songs_total += 1
        for stem in (voice, rest):
            _keep(self._clips, stem.id, stem)
        return voice, rest

    def write(self, prompt: str, script: Script, dice: Dice, now: float) -> Lyrics:
        """Order lyrics."""
        title = f"Sandbox lyrics {dice.below(1000)}"
        lyrics = Lyrics(str(uuid4()), prompt, script.song, now, title, verses(prompt, dice))
        self.lyrics_total += 1
        _keep(self._lyrics, lyrics.id, lyrics)
        return lyrics

    def clip(self, clip_id: str) -> Clip:
        """The clip of that id. Raises `NoSuchClipError`."""
        found = self._clips.get(clip_id)
        if found is None:
            raise NoSuchClipError(clip_id)
        return found

    def finished(self, clip_id: str, now: float) -> Clip:
        """The clip of that id, which is complete at `now`.

        Raises:
            NoSuchClipError: there is none such, or not yet.
        """
        found = self.clip(clip_id)
        if found.stage(now) is not Stage.DONE:
            raise NoSuchClipError(clip_id)
        return found

    def clips(self, ids: Iterable[str]) -> list[Clip]:
        """Those of the ids that there are, in their order."""
        return [self._clips[name] for name in ids if name in self._clips]

    @property
    def clips_total(self) -> int:
        """How many clips there are."""
        return len(self._clips)

    def newest(self, page: int, size: int = 20) -> list[Clip]:
        """A page of clips, from 0, the newest first."""
        return list(islice(reversed(self._clips.values()), page * size, (page + 1) * size))

    def lyrics(self, lyrics_id: str) -> Lyrics | None:
        """The lyrics of that id."""
        return self._lyrics.get(lyrics_id)

    def credits(self) -> dict[str, Any]:
        """What is left of the month."""
        used = min(_MONTHLY_LIMIT, self.songs_total * _CREDITS_A_SONG)
        return {
            "credits_left": _MONTHLY_LIMIT - used,
            "period": "month",
            "monthly_limit": _MONTHLY_LIMIT,
            "monthly_usage": used,
        }

    def jobs(self, now: float) -> list[dict[str, Any]]:
        """Everything there is, for the control endpoint."""
        songs = [
            {"kind": "clip", "id": clip.id, "model": clip.ask.model, "born": clip.born, "stage": clip.stage(now).value}
            for clip in self._clips.values()
        ]
        written = [
            {"kind": "lyrics", "id": one.id, "model": "", "born": one.born, "stage": one.stage(now).value}
            for one in self._lyrics.values()
        ]
        return songs + written


def recording(clip: Clip, part: float) -> bytes:
    """That part of the clip's MP3, from 0 to 1, cut anywhere. Its comment is the title and the lyrics."""
    whole = mpeg.silent(clip.seconds, f"{clip.title}\n{clip.lyrics}".strip())
    return whole[: round(len(whole) * part)]


def verses(about: str, dice: Dice) -> str:
    """Lyrics of a few lines."""
    lines = ["".join(prose.filler(dice, _WORDS_A_LINE)).strip().capitalize() for _ in range(_LINES)]
    half = _LINES // 2
    theme = " ".join(about.split())[:80]
    return "\n".join(["[Verse]", *([theme] if theme else []), *lines[:half], "", "[Chorus]", *lines[half:]])


def _keep(kept: OrderedDict[str, _Kept], name: str, one: _Kept) -> None:
    kept[name] = one
    if len(kept) > _MOST_KEPT:
        kept.popitem(last=False)
