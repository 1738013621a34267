import pytest

from polyrelay.kernel import errors
from polyrelay.service.webhooks import intake
from polyrelay.service.webhooks.intake import Noted
from polyrelay.settings.webhooks import WebhookSettings

ON = WebhookSettings(enabled=True)
URL = "https://hooks.example.com/done?token=1"


def test_what_nobody_asked_for() -> None:
    assert intake.note(None, "notify_hook", ON) == intake.note("", "notify_hook", WebhookSettings()) == Noted()


def test_a_relay_that_calls_nobody_says_so_and_takes_the_request() -> None:
    for url in (URL, "http://127.0.0.1/", "no url"):
        assert intake.note(url, "notify_hook", WebhookSettings()) == Noted(
            None, ((b"x-polyrelay-webhook", b"disabled"),)
        )


def test_a_url_is_kept_as_it_will_be_called() -> None:
    assert intake.note(URL, "notify_hook", ON) == Noted(URL)
    assert intake.note("https://Hooks.Example.com#x", "webhook_url", ON) == Noted("https://hooks.example.com/")


@pytest.mark.parametrize(
    "url", ["no url", "http://hooks.example.com/", "https://127.0.0.1/", "https://u:p@example.com/"]
)
def test_a_url_that_is_never_called_is_refused_by_its_member(url: str) -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        intake.note(url, "notify_hook", ON)
    assert (caught.value.param, caught.value.code) == ("notify_hook", "invalid_webhook_url")
    assert caught.value.message.startswith("`notify_hook` ")


def test_what_the_operator_allows() -> None:
    open_settings = WebhookSettings(True, True, (8090,), ("127.0.0.0/8",))
    assert intake.note("http://127.0.0.1:8090/x", "notify_hook", open_settings).url == "http://127.0.0.1:8090/x"
