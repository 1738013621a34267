import json

import pytest

from polyrelay.kernel import errors
from polyrelay.wire import openai_errors as wire


@pytest.mark.parametrize(
    ("refusal", "status", "kind", "code", "final"),
    [
        (errors.InvalidRequest("m", param="p", code="c"), 400, "invalid_request_error", "c", True),
        (errors.Unauthenticated("m"), 401, "invalid_request_error", "invalid_api_key", True),
        (errors.Forbidden("m"), 403, "permission_error", None, True),
        (errors.NotFound("m", code="model_not_found"), 404, "invalid_request_error", "model_not_found", True),
        (errors.MethodNotAllowed("m"), 405, "invalid_request_error", "method_not_allowed", True),
        (errors.BodyTooSlow("m"), 408, "invalid_request_error", "request_timeout", False),
        (errors.BodyTooLarge("m"), 413, "invalid_request_error", "request_too_large", True),
        (errors.UnsupportedMedia("m"), 415, "invalid_request_error", "unsupported_media_type", True),
        (errors.RateLimited("m"), 429, "rate_limit_error", "rate_limit_exceeded", False),
        (errors.NotPriced("m"), 400, "invalid_request_error", "model_not_priced", True),
        (errors.FundsInFlight("m"), 429, "rate_limit_error", "funds_in_flight", False),
        (errors.InsufficientQuota("m"), 429, "insufficient_quota", "insufficient_quota", True),
        (errors.BooksAway("m"), 503, "server_error", "ledger_unavailable", False),
        (errors.HeadersTooLarge("m"), 431, "invalid_request_error", "headers_too_large", True),
        (errors.InternalFault("m"), 500, "server_error", "internal_error", False),
        (errors.UpstreamBroken("m"), 502, "upstream_error", "upstream_error", False),
        (errors.Overloaded("m"), 503, "server_error", "overloaded", False),
        (errors.UpstreamSlow("m"), 504, "upstream_error", "upstream_timeout", False),
    ],
)
def test_refusals_in_openai_shape(
    refusal: errors.Refusal, status: int, kind: str, code: str | None, *, final: bool
) -> None:
    sent, headers, body = wire.render(refusal)
    assert sent == status
    assert json.loads(body) == {"error": {"message": "m", "type": kind, "param": refusal.param, "code": code}}
    assert (b"content-type", b"application/json") in headers
    assert ((b"x-should-retry", b"false") in headers) is final
    assert wire.frame(refusal) == b"data: " + body + b"\n\n"


def test_when_to_come_back_and_extra_headers() -> None:
    refusal = errors.RateLimited("m", retry_after=1.2345, headers=((b"x-ratelimit-limit-requests", b"5"),))
    assert wire.render(refusal)[1] == (
        (b"content-type", b"application/json"),
        (b"retry-after", b"2"),
        (b"retry-after-ms", b"1235"),
        (b"x-ratelimit-limit-requests", b"5"),
    )
    assert (b"retry-after", b"0") in wire.render(errors.RateLimited("m", retry_after=-1.0))[1]


@pytest.mark.parametrize(
    ("body", "native"),
    [
        (b'{"error":{"message":"x"}}', True),
        (b'{"error":{"message":"","code":5}}', True),
        (b'{"error":{"message":5}}', False),
        (b'{"error":{}}', False),
        (b'{"error":[]}', False),
        (b'{"error":"x"}', False),
        (b'{"error":null}', False),
        (b'{"message":"x"}', False),
        (b"[]", False),
        (b"<html>", False),
        (b"\xff", False),
        (b"", False),
    ],
)
def test_what_is_already_openai_shaped(body: bytes, *, native: bool) -> None:
    assert wire.is_native(body) is native
    assert (wire.words(body) is not None) is native


def test_models() -> None:
    one = {"id": "m", "object": "model", "created": 5, "owned_by": "o"}
    assert json.loads(wire.model("m", created=5, owned_by="o")) == one
    assert json.loads(wire.models_list(["m"], created=5, owned_by="o")) == {"object": "list", "data": [one]}
