import pytest

from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire import hooks
from polyrelay.wire.hooks import Hook

URL = "https://client.example/hook"


@pytest.mark.parametrize(
    ("notify_hook", "webhook_url", "param"),
    [(URL, None, "notify_hook"), (None, URL, "webhook_url"), ("", URL, "webhook_url"), (URL, URL, "notify_hook")],
)
def test_a_hook_keeps_the_name_it_came_by(notify_hook: str | None, webhook_url: str | None, param: str) -> None:
    assert hooks.asked(notify_hook, webhook_url) == Hook(URL, param)


@pytest.mark.parametrize(
    "member",
    [
        "callback_url",
        "callbackUrl",
        "notifyHook",
        "webhook-url",
        "WEBHOOK",
        "notify_url",
        "hookUrl",
        "notification_uri",
    ],
)
def test_vendors_words_for_a_hook_never_pass(member: str) -> None:
    given = {"a": [{member: "https://x", "b": 1}], "c": {"d": {member: {"endpoint": "https://x"}}}, member: "https://x"}
    assert hooks.without(given) == {"a": [{"b": 1}], "c": {"d": {}}}


@pytest.mark.parametrize("member", ["prompt", "hooks", "url", "callback_prompt", "image_url", ""])
def test_what_is_no_hook_passes(member: str) -> None:
    assert hooks.without({member: [member, {member: 1}]}) == {member: [member, {member: 1}]}


def test_no_hook() -> None:
    assert hooks.asked(None, None) is hooks.asked("", "") is None


@pytest.mark.parametrize(
    ("notify_hook", "webhook_url", "param"),
    [("x", None, "notify_hook"), (None, "ftp://x", "webhook_url"), ("", "x", "webhook_url"), (URL, "x", "webhook_url")],
)
def test_a_refusal_names_the_member(notify_hook: str | None, webhook_url: str | None, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        hooks.asked(notify_hook, webhook_url)
    assert caught.value.param == param
    assert f"'{param}'" in caught.value.message
