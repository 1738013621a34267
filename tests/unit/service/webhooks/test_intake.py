import pytest

from polyrelay.kernel import errors
from polyrelay.service.webhooks import intake
from polyrelay.service.webhooks.intake import Noted
from polyrelay.settings.webhooks import WebhookSettings
from polyrelay.wire.hooks import Hook

ON = WebhookSettings(enabled=True)
URL = "https://hooks.example.com/done?token=1"


def test_what_nobody_asked_for() -> None:
    assert intake.note(None, ON) == intake.note(None, WebhookSettings()) == Noted()


def test_a_relay_that_calls_nobody_says_so_and_takes_the_request() -> None:
    for url in (URL, "http://127.0.0.1/", "no url"):
        told = Noted(None, ((b"x-polyrelay-webhook", b"disabled"),))
        assert intake.note(Hook(url, "notify_hook"), WebhookSettings()) == told


def test_a_url_is_kept_as_it_will_be_called() -> None:
    assert intake.note(Hook(URL, "notify_hook"), ON) == Noted(URL)
    spelt = Hook("https://Hooks.Example.com#x", "webhook_url")
    assert intake.note(spelt, ON) == Noted("https://hooks.example.com/")


@pytest.mark.parametrize("param", ["notify_hook", "webhook_url"])
@pytest.mark.parametrize(
    "url",
    [
        "no url",
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://localhost/",
        "https://a.localhost/",
        "https://u:p@example.com/",
    ],
)
def test_a_url_that_is_never_called_is_refused_by_its_member(url: str, param: str) -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        intake.note(Hook(url, param), ON)
    assert (caught.value.param, caught.value.code) == (param, "invalid_webhook_url")
    assert caught.value.message.startswith(f"`{param}` ")


def test_what_the_operator_allows() -> None:
    open_settings = WebhookSettings(True, True, (8090,), ("127.0.0.0/8",))
    for url in ("http://127.0.0.1:8090/x", "http://localhost:8090/x"):
        assert intake.note(Hook(url, "notify_hook"), open_settings).url == url
