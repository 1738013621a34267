from base64 import b64encode

import pytest

from polyrelay.exchange.operation import Operation
from polyrelay.providers import outbound
from polyrelay.routing.channel import Candidate, Channel, Credential
from polyrelay.wire.dialect import Message
from polyrelay.wire.openai_chat import replies
from polyrelay.wire.spoken import Sent

SECRET = "vendor-secret"
CALL = Sent(Operation.CHAT, b"{}", replies.WHOLE)
PRIVATE = Sent(Operation.CHAT, b"private", replies.WHOLE)


def candidate(provider: str = "openai", base_url: str = "https://api.example/v1", secret: str = SECRET) -> Candidate:
    credential = Credential("#1", secret)
    return Candidate(Channel("a", provider, base_url, (credential,)), credential)


@pytest.mark.parametrize("base_url", ["https://api.example/v1", "https://api.example/v1/"])
def test_the_address_is_the_channels_and_the_vendors_path(base_url: str) -> None:
    found = outbound.endpoint(candidate(base_url=base_url), "polyrelay/1")
    assert found.urls[Operation.CHAT] == "https://api.example/v1/chat/completions"


def test_a_request_carries_the_channels_key_and_the_clients_passed_headers() -> None:
    chosen = candidate()
    request = outbound.endpoint(chosen, "polyrelay/1").request(CALL, ("traceparent: 00-1",))
    assert (request.channel, request.credential) == (chosen.channel, chosen.credential)
    assert request.fixed_headers == (
        "content-type: application/json",
        "user-agent: polyrelay/1",
        f"authorization: Bearer {SECRET}",
    )
    assert (request.headers, request.body) == (("traceparent: 00-1",), b"{}")


def test_another_body_goes_with_its_own_media_type() -> None:
    sent = Sent(Operation.TRANSCRIPTION, b"--x--", replies.WHOLE, "multipart/form-data; boundary=x", "output=txt")
    request = outbound.endpoint(candidate(), "polyrelay/1").request(sent, ())
    assert request.url == "https://api.example/v1/audio/transcriptions?output=txt"
    assert "content-type: application/json" not in request.fixed_headers
    assert request.headers == ("content-type: multipart/form-data; boundary=x",)


@pytest.mark.parametrize(
    ("secret", "lines"),
    [
        ("me:word", (f"authorization: Basic {b64encode(b'me:word').decode()}",)),
        ("a-token", ("authorization: Bearer a-token",)),
        ("", ()),
    ],
)
def test_a_user_and_password_go_as_basic_and_nothing_as_nothing(secret: str, lines: tuple[str, ...]) -> None:
    found = outbound.endpoint(candidate("sdwebui", "http://host:7860", secret), "polyrelay/1")
    assert found.json_headers == ("content-type: application/json", "user-agent: polyrelay/1", *lines)
    assert found.urls[Operation.TXT2IMG] == "http://host:7860/sdapi/v1/txt2img"


def test_a_list_is_asked_for_without_a_body() -> None:
    chosen = candidate("sdwebui", "http://host:7860/", "me:word")
    request = outbound.endpoint(chosen, "polyrelay/1").get("/sdapi/v1/samplers")
    assert (request.method, request.url, request.body) == ("GET", "http://host:7860/sdapi/v1/samplers", b"")
    assert request.fixed_headers[0] == "user-agent: polyrelay/1"


def test_an_endpoint_is_asked_for_the_best_of_what_it_offers() -> None:
    found = outbound.endpoint(candidate("deepseek"), "polyrelay/1")
    assert found.serving((Operation.SPEECH, Operation.CHAT)) is Operation.CHAT
    assert found.serving((Operation.SPEECH,)) is None


@pytest.mark.parametrize("base_url", ["https://api.example/v1", "https://api.example/v1/"])
def test_a_dialects_message_becomes_a_request_below_the_base_url(base_url: str) -> None:
    chosen = candidate(base_url=base_url)
    asked = outbound.errand(chosen, "polyrelay/1", Message("GET", "/feed?ids=a,b"))
    assert (asked.method, asked.url, asked.body) == ("GET", "https://api.example/v1/feed?ids=a,b", b"")
    assert asked.fixed_headers == ("user-agent: polyrelay/1", f"authorization: Bearer {SECRET}")
    told = outbound.errand(chosen, "polyrelay/1", Message("POST", "/make", b"x", "text/plain"))
    assert (told.method, told.body, told.channel, told.credential) == ("POST", b"x", chosen.channel, chosen.credential)
    assert "content-type: text/plain" in told.fixed_headers


def test_no_repr_shows_the_key() -> None:
    found = outbound.endpoint(candidate(), "polyrelay/1")
    assert SECRET not in repr(found) + repr(found.request(PRIVATE, ()))
    assert "private" not in repr(found.request(PRIVATE, ()))


def test_an_unknown_vendor_is_a_mistake_of_the_caller() -> None:
    with pytest.raises(KeyError):
        outbound.endpoint(candidate("nobody"), "polyrelay/1")


def test_only_named_headers_of_a_client_travel_on() -> None:
    sent = [
        (b"authorization", b"Bearer pr-client"),
        (b"cookie", b"session=1"),
        (b"openai-beta", b"assistants=v2"),
        (b"openai-organization", b"org"),
        (b"x-forwarded-for", b"10.0.0.1"),
        (b"traceparent", b"00-1"),
        (b"idempotency-key", b"once"),
        (b"tracestate", b"caf\xe9"),
    ]
    assert outbound.passed(dict(sent)) == ("openai-beta: assistants=v2", "traceparent: 00-1", "idempotency-key: once")


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        ({b"range": b"bytes=0-1", b"cookie": b"a"}, ("range: bytes=0-1",)),
        ({b"range": b"bytes=0-1", b"if-range": b'"tag"'}, ("range: bytes=0-1", 'if-range: "tag"')),
        ({b"if-range": b'"tag"'}, ()),
        ({b"range": b"bytes=\xe9"}, ()),
        ({}, ()),
    ],
)
def test_who_wants_a_part_says_so(head: dict[bytes, bytes], lines: tuple[str, ...]) -> None:
    assert outbound.ranged(head) == lines
