"""FastAPI's way of saying no."""

import json

import pytest

from polyrelay.kernel import errors
from polyrelay.wire.whisper_asr import errors as tongue

MISSING = {"type": "missing", "loc": ["body", "audio_file"], "msg": "Field required", "input": None}
"""As FastAPI with pydantic 2 says it."""


def test_a_wrong_parameter() -> None:
    refusal = errors.InvalidRequest("Input should be 'txt'", code="enum", param="query.output")
    status, headers, body = tongue.render(refusal)
    assert (status, dict(headers)[b"x-should-retry"]) == (422, b"false")
    assert json.loads(body) == {
        "detail": [{"type": "enum", "loc": ["query", "output"], "msg": "Input should be 'txt'"}]
    }


@pytest.mark.parametrize("param", ["body.audio_file", "audio_file"])
def test_a_missing_file(param: str) -> None:
    refusal = errors.InvalidRequest("It is not there.", code="missing_required_parameter", param=param)
    status, _, body = tongue.render(refusal)
    assert (status, json.loads(body)) == (422, {"detail": [MISSING]})


def test_a_body_of_another_kind_misses_the_file() -> None:
    status, headers, body = tongue.render(errors.UnsupportedMedia("Send a form."))
    assert (status, json.loads(body)) == (422, {"detail": [MISSING]})
    assert dict(headers)[b"x-should-retry"] == b"false"
    status, _, body = tongue.render(errors.CodedBody("It is compressed."))
    assert (status, json.loads(body)) == (415, {"detail": "It is compressed."})


def test_a_file_that_is_none() -> None:
    refusal = errors.InvalidRequest("It has no file name.", code="invalid_multipart", param="body.audio_file")
    status, _, body = tongue.render(refusal)
    assert status == 422
    assert json.loads(body)["detail"][0]["type"] == "value_error"


@pytest.mark.parametrize(
    "refusal",
    [
        errors.Unauthenticated("No key."),
        errors.InvalidRequest("The form is malformed.", code="invalid_multipart"),
        errors.NotFound("No such model.", param="model"),
        errors.NotPriced("No price."),
        errors.InsufficientQuota("No money."),
        errors.UpstreamBroken("No answer."),
    ],
)
def test_anything_else_is_one_sentence(refusal: errors.Refusal) -> None:
    status, headers, body = tongue.render(refusal)
    assert (status, json.loads(body)) == (refusal.status, {"detail": refusal.message})
    assert dict(headers)[b"content-type"] == b"application/json"
    assert (b"x-should-retry" in dict(headers)) == refusal.final


def test_when_to_retry() -> None:
    refusal = errors.RateLimited("Slow down.", retry_after=1.2, headers=((b"x-ratelimit-limit-requests", b"5"),))
    _, headers, _ = tongue.render(refusal)
    assert dict(headers)[b"retry-after"] == b"2"
    assert dict(headers)[b"x-ratelimit-limit-requests"] == b"5"


@pytest.mark.parametrize(
    ("body", "native"),
    [
        (b'{"detail":"x"}', True),
        (b'{"detail":[]}', True),
        (b'{"detail":5}', False),
        (b'{"error":{}}', False),
        (b"", False),
    ],
)
def test_native_bodies(body: bytes, native: bool) -> None:
    assert tongue.is_native(body) is native


def test_a_frame_has_the_same_body() -> None:
    assert tongue.frame(errors.UpstreamBroken("Cut.")) == b'data: {"detail":"Cut."}\n\n'
