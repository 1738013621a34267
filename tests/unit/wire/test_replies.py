from typing import Any

import pytest

from polyrelay.wire import replies
from polyrelay.wire.dialect import Declined, Garbled


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"detail":"Insufficient credits."}', "Insufficient credits."),
        (b'{"detail":[{"msg":"field required"}]}', "field required"),
        (b'{"error":"nope"}', "nope"),
        (b'{"error":{"message":"deep","code":"x"}}', "deep"),
        (b'{"code":"invalid_request","message":" bad ","data":null}', "bad"),
        (b'{"error":null,"msg":"m"}', "m"),
        (b'{"error":{"code":5}}', "status 402"),
        (b'"plain"', "plain"),
        (b"<html>", "status 402"),
        (b"", "status 402"),
        (b"[]", "status 402"),
        (b'{"error":"' + b"x" * 2000 + b'"}', "x" * 500),
        (b'{"error":' * 50 + b"1" + b"}" * 50, "status 402"),
    ],
)
def test_complaints_are_found_wherever_they_stand(body: bytes, words: str) -> None:
    with pytest.raises(Declined) as caught:
        replies.value(402, body)
    assert (str(caught.value), caught.value.status) == (words, 402)


@pytest.mark.parametrize("status", [100, 199, 300, 302, 399, 600])
def test_other_statuses_are_no_answers(status: int) -> None:
    with pytest.raises(Garbled):
        replies.value(status, b"{}")


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff", b"null", b"[" * 100_000])
def test_what_is_no_json(body: bytes) -> None:
    with pytest.raises(Garbled):
        replies.value(200, body)


def test_good_answers() -> None:
    assert replies.value(299, b"[1]") == [1]
    assert replies.value(200, b"0") == 0


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("a-b_c.1", "a-b_c.1"),
        (17, "17"),
        (0, "0"),
        ("x" * 256, "x" * 256),
        ("x" * 257, None),
        ("", None),
        ("a b", None),
        ("ä", None),
        ("a\n", None),
        (".", None),
        ("..", None),
        (-1, None),
        (2**63, None),
        (True, None),
        (1.5, None),
        (None, None),
        (["a"], None),
    ],
)
def test_names(given: Any, name: str | None) -> None:
    assert replies.name(given) == name


@pytest.mark.parametrize(
    ("given", "number"),
    [
        (1, 1),
        (0.5, 0.5),
        ("61.5", 61.5),
        ("x", None),
        (-1, None),
        ("nan", None),
        ("inf", None),
        (True, None),
        (None, None),
        ([], None),
        (10**400, None),
    ],
)
def test_numbers(given: Any, number: float | None) -> None:
    assert replies.number(given) == number


@pytest.mark.parametrize(
    ("given", "percent"),
    [("30%", 30), ("100%", 100), ("250%", 100), (7, 7), ("7", 7), ("", None), ("%", None), (None, None), (-3, None)],
)
def test_percents(given: Any, percent: int | None) -> None:
    assert replies.percent(given) == percent


def test_moments() -> None:
    assert replies.moment(1_716_191_749) == 1_716_191_749
    assert replies.moment(0) is None
    assert replies.moment(253_402_300_799) == 253_402_300_799
    assert replies.moment(253_402_300_800) is None
    assert replies.moment("soon") is None


def test_objects() -> None:
    assert replies.objects({"a": 1}) == [{"a": 1}]
    assert replies.objects([1, {"a": 1}, None]) == [{"a": 1}]
    assert replies.objects("x") == []
