import pytest

from polyrelay.jobs.artefacts import Sort
from polyrelay.service.artefacts import formats


@pytest.mark.parametrize(
    ("content_type", "url", "sort", "media_type"),
    [
        ("audio/mpeg", None, Sort.AUDIO, "audio/mpeg"),
        ("Audio/MPEG; charset=binary", None, Sort.AUDIO, "audio/mpeg"),
        ("audio/mp3", None, Sort.AUDIO, "audio/mpeg"),
        ("image/jpg", None, Sort.IMAGE, "image/jpeg"),
        ("video/mp4", "https://x/y.bin", Sort.AUDIO, "video/mp4"),
        ("application/octet-stream", "https://x/y.WAV?sig=a.mp3", Sort.AUDIO, "audio/wav"),
        ("binary/octet-stream", "https://x/y.html", Sort.VIDEO, "video/mp4"),
        ("", None, Sort.IMAGE, "image/jpeg"),
        ("", "https://x/y.jpeg", Sort.IMAGE, "image/jpeg"),
        ("text/html", "https://x/y.mp3", Sort.AUDIO, None),
        ("image/svg+xml", "https://x/y.svg", Sort.IMAGE, None),
        ("application/json", None, Sort.AUDIO, None),
        ("application/pdf", None, Sort.IMAGE, None),
    ],
)
def test_what_is_kept_and_as_what(content_type: str, url: str | None, sort: Sort, media_type: str | None) -> None:
    assert formats.accepted(content_type, url, sort) == media_type


def test_nothing_that_is_kept_runs_in_a_browser() -> None:
    assert all(media_type.partition("/")[0] in {"audio", "image", "video"} for media_type in formats.EXTENSIONS)
    assert not any("svg" in media_type or "xml" in media_type for media_type in formats.EXTENSIONS)
    assert all(name.isalnum() for name in formats.EXTENSIONS.values())
