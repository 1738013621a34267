import io
import logging
import sys

import pytest

from polyrelay.settings.root import LogSettings
from polyrelay.telemetry.logs import configure
from polyrelay.telemetry.redact import REDACTED, RedactingFilter, Redactor

CLIENT_KEY = "pr-" + "Ab3_-" * 8 + "xyz"
REGISTERED = 'odd "secret"/+ü'
CORPUS = [
    (f"key {CLIENT_KEY} here", CLIENT_KEY[3:]),
    (f"cut key {CLIENT_KEY[:30]}", CLIENT_KEY[3:30]),
    ("Authorization: Bearer abcdefgh12345", "abcdefgh12345"),
    ("b'authorization', b'bearer abcdefgh12345'", "abcdefgh12345"),
    ("BEARER\tabcdefgh12345==", "abcdefgh12345"),
    ("Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ("sk-proj-abcDEF_123456", "proj-abcDEF"),
    ("?key=AIzaSyA1234567890abcdefghijklmnopqrstu", "SyA123"),
    ("x-api-key: 0123456789abcdef", "0123456789abcdef"),
    ("(b'x-api-key', b'0123456789abcdef')", "0123456789abcdef"),
    ('{"api_key": "0123456789abcdef"}', "0123456789abcdef"),
    ("https://host/v1?api_key=0123456789abcdef&x=1", "0123456789abcdef"),
    ("proxy http://user:hunter2@proxy:3128 refused", "hunter2"),
    (f"plain {REGISTERED}", "odd"),
    ("quoted odd%20%22secret%22%2F%2B%C3%BC", "secret"),
    ('json odd \\"secret\\"/+\\u00fc', "secret"),
    (f"repr {REGISTERED!r}", "secret"),
]


@pytest.mark.parametrize(("text", "secret"), CORPUS)
def test_secrets_are_taken_out(text: str, secret: str) -> None:
    clean = Redactor([REGISTERED]).redact(text)
    assert secret not in clean
    assert REDACTED in clean


@pytest.mark.parametrize(
    "text",
    [
        "px_01hx4k3v5e8f2n7q0abc GET /v1/models 200",
        "pr-abcd…wxyz is the hint of key key_01hx",
        "task-force sk-1 is short, http://127.0.0.1:8080/v1 ready",
        "time 10:31:53 https://host:8443/path@2",
    ],
)
def test_ordinary_text_stays(text: str) -> None:
    assert Redactor(["short", "abc"]).redact(text) == text


def test_secrets_can_be_registered_later() -> None:
    redactor = Redactor()
    assert redactor.redact("upstream-credential") == "upstream-credential"
    redactor.register("upstream-credential", "upstream")
    assert redactor.redact("upstream-credential upstream") == f"{REDACTED} {REDACTED}"


def logged(emit, *, form: str) -> str:  # type: ignore[no-untyped-def]
    stream = io.StringIO()
    handler = configure(LogSettings(format=form), stream, Redactor([REGISTERED, "hunter2-registered"]))
    try:
        emit(logging.getLogger("polyrelay.tests.redact"))
    finally:
        logging.getLogger().removeHandler(handler)
    return stream.getvalue()


def raise_chain() -> None:
    try:
        dict[str, str]()[CLIENT_KEY]
    except KeyError as error:
        raise RuntimeError("Bearer abcdefgh12345 with hunter2-registered") from error


def log_exception(logger: logging.Logger) -> None:
    try:
        raise_chain()
    except RuntimeError:
        logger.exception("failed for %s", CLIENT_KEY)


def raise_group() -> None:
    raise ExceptionGroup("both", [ValueError(CLIENT_KEY), OSError("hunter2-registered")])


def log_group(logger: logging.Logger) -> None:
    try:
        raise_group()
    except ExceptionGroup:
        logger.warning("Bearer abcdefgh12345", exc_info=True, stack_info=True)


def log_bare(logger: logging.Logger) -> None:
    logger.error("no exception", exc_info=sys.exc_info())


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("emit", [log_exception, log_group])
def test_tracebacks_are_clean_and_whole(emit, form: str) -> None:  # type: ignore[no-untyped-def]
    text = logged(emit, form=form)
    assert "Traceback" in text
    assert REDACTED in text
    for secret in (CLIENT_KEY[3:], "abcdefgh12345", "hunter2-registered"):
        assert secret not in text


def test_no_exception_is_no_trouble() -> None:
    assert "no exception" in logged(log_bare, form="console")


def test_arguments_that_do_not_fit_are_no_trouble() -> None:
    record = logging.LogRecord("a", logging.INFO, "f", 1, f"%d of {CLIENT_KEY}", ("x",), None)
    RedactingFilter(Redactor()).filter(record)
    assert record.getMessage() == f"%d of {REDACTED} (arguments do not fit)"


def test_the_filter_lets_records_pass() -> None:
    record = logging.LogRecord("a", logging.INFO, "f", 1, "Bearer %s", ("abcdefgh12345",), None)
    assert RedactingFilter(Redactor()).filter(record)
    assert record.getMessage() == f"Bearer {REDACTED}"
