import pytest

from polyrelay.wire import members, outline

RUN = b"QUJD" * (outline.SHORTEST_CUT // 4)
BIG = RUN * (outline.OUTLINE_FROM // len(RUN))


def located(body: bytes) -> dict[str, bytes]:
    made = outline.make(body)
    return {
        name: body[made.locate(value) : made.locate(end)] for name, (_, value, end) in members.scan(made.text).items()
    }


def test_a_small_body_is_its_own_outline() -> None:
    body = b'{"a":"data:image/png;base64,' + RUN + b'"}'
    assert outline.make(body).text is body


@pytest.mark.parametrize("lead", [b'"data:image/png;base64,', b'{"data":"', b'{"data": "'])
def test_long_runs_are_cut_and_members_found_again(lead: bytes) -> None:
    tail = b'"}' if lead.startswith(b"{") else b'"'
    value = lead + BIG + tail
    body = b'{"first":1,"a":' + value + b',"b":' + value + b',"last":[2]}'
    made = outline.make(body)
    assert len(made.text) < 100
    assert located(body) == {"first": b"1", "a": value, "b": value, "last": b"[2]"}


@pytest.mark.parametrize("marker", outline.BARE_IMAGES)
def test_strings_that_are_an_image_from_their_beginning_are_cut_where_that_is_asked(marker: bytes) -> None:
    value = (b'"' if marker.startswith(b";") else b"") + marker + BIG + b'"'
    body = b'{"a":' + value + b',"b":[' + value + b"]}"
    made = outline.make(body, outline.BARE_IMAGES)
    assert len(made.text) < 100
    spans = members.scan(made.text)
    assert [body[made.locate(start) : made.locate(end)] for _, start, end in spans.values()] == [
        value,
        b"[" + value + b"]",
    ]


@pytest.mark.parametrize("lead", [b'{"a":"x"iVBORw0KGgo', b'{"a":"x"/9j/', b'{"a":1,"b""UklGR'])
def test_a_bare_word_is_no_image(lead: bytes) -> None:
    with pytest.raises(members.UnreadableError):
        members.scan(outline.make(lead + BIG + b'"}', outline.BARE_IMAGES).text)


def test_markers_within_a_cut_do_not_matter() -> None:
    value = b'"data:x;base64,' + BIG + b";base64," + BIG + b'"'
    assert located(b'{"a":' + value + b',"b":2}') == {"a": value, "b": b"2"}


def test_a_run_ends_at_a_backslash() -> None:
    value = b'"data:x;base64,' + BIG + b'\\"' + RUN + b'"'
    assert located(b'{"a":' + value + b',"b":2}') == {"a": value, "b": b"2"}


def test_short_runs_and_escaped_slashes_stay() -> None:
    value = b'"data:x;base64,' + b"AB\\/" * (outline.OUTLINE_FROM // 4) + b'"'
    body = b'{"a":' + value + b',"b":"x;base64,' + RUN[:-1] + b'"}'
    assert outline.make(body).text is body


@pytest.mark.parametrize("offset", range(-12, 4))
def test_a_marker_across_a_window_is_found(offset: int) -> None:
    padding = b"p" * (outline.SHORTEST_CUT - len(b'{"p":"","a":"') + offset)
    body = b'{"p":"' + padding + b'","a":";base64,' + BIG + b'"}'
    assert len(outline.make(body).text) == len(body) - len(BIG)


@pytest.mark.parametrize(
    "body",
    [
        b'{"a":;base64,' + BIG + b'"}',
        b'{"a":"x"data":"' + BIG + b'"}',
        b'{"a":"x;base64,' + BIG,
        b'{"a":";base64,' + BIG + b'"x}',
    ],
)
def test_cutting_never_makes_a_bad_body_good(body: bytes) -> None:
    with pytest.raises(members.UnreadableError):
        members.scan(outline.make(body).text)


def test_a_body_full_of_markers_is_left_whole() -> None:
    body = b'{"a":"' + b";base64,\\\\" * 60_000 + BIG + b'","b":";base64,' + BIG + b'"}'
    assert outline.make(body).text is body


def test_cuts_made_before_giving_up_stay() -> None:
    value = b'";base64,' + BIG + b'"'
    body = b'{"a":' + value + b',"b":"' + b";base64,\\\\" * 60_000 + b'","c":' + value + b"}"
    assert located(body)["a"] == located(body)["c"] == value
