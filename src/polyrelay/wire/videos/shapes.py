"""Resolutions and ratios as sizes in pixels, for dialects that name nothing else."""

import re

_LINES = re.compile(r"(\d{3,4})[pP]")
_KS = {"1k": 1080, "2k": 1440, "4k": 2160}
_RATIO = re.compile(r"(\d{1,4}):(\d{1,4})")
_DEFAULT_LINES = 720
_DEFAULT_RATIO = "16:9"


def pixels(resolution: str | None, ratio: str | None) -> str | None:
    """`WIDTHxHEIGHT` of `resolution` (`720p`: the shorter side, 720 when unnamed) at `ratio` (16:9 when unnamed).

    None when neither is named, or one of them is a word without a measure. Sides are even, as video codecs want them.
    """
    if resolution is None and ratio is None:
        return None
    lines = _lines(resolution)
    found = _RATIO.fullmatch(ratio or _DEFAULT_RATIO)
    if lines is None or found is None:
        return None
    across, down = int(found[1]), int(found[2])
    if not across or not down:
        return None
    longer = round(lines * max(across, down) / min(across, down) / 2) * 2
    return f"{longer}x{lines}" if across >= down else f"{lines}x{longer}"


def _lines(resolution: str | None) -> int | None:
    if resolution is None:
        return _DEFAULT_LINES
    found = _LINES.fullmatch(resolution)
    return int(found[1]) // 2 * 2 if found else _KS.get(resolution.lower())
