import msgspec
import pytest

from polyrelay.kernel import errors
from polyrelay.wire import webui_errors


def test_a_refusal_in_the_shape_of_the_webui() -> None:
    refusal = errors.InvalidRequest("Invalid 'steps'.", code="invalid_type", param="steps")
    status, headers, body = webui_errors.render(refusal)
    assert status == 400
    assert msgspec.json.decode(body) == {
        "error": "InvalidRequest",
        "detail": "Invalid 'steps'.",
        "body": "",
        "errors": "",
        "code": "invalid_type",
        "param": "steps",
    }
    assert dict(headers) == {b"content-type": b"application/json", b"x-should-retry": b"false"}
    assert webui_errors.is_native(body)
    assert webui_errors.frame(refusal) == body


def test_who_has_no_key_is_asked_for_basic() -> None:
    _, headers, _ = webui_errors.render(errors.Unauthenticated("no"))
    assert dict(headers)[b"www-authenticate"] == b'Basic realm="polyrelay"'


def test_who_may_wait_is_told_how_long_in_whole_seconds() -> None:
    _, headers, _ = webui_errors.render(errors.Overloaded("busy", retry_after=1.2, headers=((b"x-more", b"1"),)))
    assert dict(headers)[b"retry-after"] == b"2"
    assert (b"x-more", b"1") in headers
    assert b"x-should-retry" not in dict(headers)


def test_an_unknown_model_is_told_where_models_are_named() -> None:
    _, _, body = webui_errors.render(errors.NotFound("no such model", code="model_not_found"))
    detail = msgspec.json.decode(body)["detail"]
    assert "'model'" in detail
    assert "override_settings.sd_model_checkpoint" in detail


@pytest.mark.parametrize(
    ("body", "native"),
    [
        (b'{"error":"HTTPException","detail":"Sampler not found","body":"","errors":""}', True),
        (b'{"detail":[{"loc":["body","steps"],"msg":"no","type":"int"}]}', True),
        (b'{"error":"x"}', False),
        (b"[]", False),
        (b"<html>", False),
        (b"\xff", False),
    ],
)
def test_what_is_native(body: bytes, *, native: bool) -> None:
    assert webui_errors.is_native(body) is native
