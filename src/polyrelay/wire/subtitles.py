"""Transcripts as Whisper writes them into files: SubRip, WebVTT, tab-separated values, one line for each phrase."""

import re
from collections.abc import Iterable

from polyrelay.exchange.transcript import Segment

_CUE = re.compile(rb"-->[ \t]*(?:(\d{1,4}):)?(\d{1,2}):(\d{1,2})[.,](\d{3})")
_TSV_LINE = re.compile(rb"^\d+\t(\d{1,12})\t", re.MULTILINE)
_TAIL_BYTES = 16 * 1024
"""The last cue lies in it."""

_MS = 1000


def lines(segments: Iterable[Segment]) -> str:
    """One line for each phrase."""
    return "".join(f"{_one_line(each)}\n" for each in segments)


def srt(segments: Iterable[Segment]) -> str:
    """SubRip."""
    return "".join(
        f"{number}\n{_time(each.start, ',')} --> {_time(each.end, ',')}\n{_cue_text(each)}\n\n"
        for number, each in enumerate(segments, start=1)
    )


def vtt(segments: Iterable[Segment], *, hours: bool) -> str:
    """WebVTT. `hours` says whether times have them where they are 0."""
    cues = (
        f"{_time(each.start, '.', hours=hours)} --> {_time(each.end, '.', hours=hours)}\n{_cue_text(each)}\n\n"
        for each in segments
    )
    return "WEBVTT\n\n" + "".join(cues)


def tsv(segments: Iterable[Segment]) -> str:
    """A header, then start and end in milliseconds and the text of each phrase."""
    rows = (f"{round(each.start * _MS)}\t{round(each.end * _MS)}\t{_one_line(each)}\n" for each in segments)
    return "start\tend\ttext\n" + "".join(rows)


def last_end(body: bytes) -> float:
    """When the last cue of SubRip, WebVTT or tab-separated values ends, in seconds; 0 when there is none."""
    tail = body[-_TAIL_BYTES:]
    cues = _CUE.findall(tail)
    if cues:
        hours, minutes, seconds, rest = (int(part or 0) for part in cues[-1])
        return (hours * 60 + minutes) * 60 + seconds + rest / _MS
    return max((int(row[1]) / _MS for row in _TSV_LINE.finditer(tail)), default=0.0)


def _one_line(segment: Segment) -> str:
    return " ".join(segment.text.split())


def _cue_text(segment: Segment) -> str:
    """An arrow in a text would be taken for that of a cue."""
    return _one_line(segment).replace("-->", "->")


def _time(seconds: float, point: str, *, hours: bool = True) -> str:
    """`01:02:03,004`; without hours `02:03.004` where there are none."""
    milliseconds = round(max(seconds, 0.0) * _MS)
    minutes, rest = divmod(milliseconds, 60 * _MS)
    whole, minutes = divmod(minutes, 60)
    start = f"{whole:02}:" if hours or whole else ""
    return f"{start}{minutes:02}:{rest // _MS:02}{point}{rest % _MS:03}"
