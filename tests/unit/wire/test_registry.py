from types import SimpleNamespace

import pytest

from polyrelay.kernel.errors import InvalidRequest, Unauthenticated
from polyrelay.wire import registry

BILLED = SimpleNamespace(body=b'{"model":"m","messages":[{"role":"user","content":"x"}],"billingGroupId":7}', query=b"")


def test_both_chat_surfaces_are_known_by_name_and_path() -> None:
    assert registry.BY_PATH["/v1/chat/completions"] is registry.SURFACES["openai_chat"]
    assert registry.BY_PATH["/api/ai/chat/completions"] is registry.SURFACES["aitoearn_chat"]


def test_billing_extras_are_checked_where_they_are_the_relays() -> None:
    assert registry.SURFACES["openai_chat"].read(BILLED).call.model == "m"
    with pytest.raises(InvalidRequest) as caught:
        registry.SURFACES["aitoearn_chat"].read(BILLED)
    assert caught.value.param == "billingGroupId"


BASIC = ("asr", "detect_language", "sdwebui_txt2img", "sdwebui_img2img", "reactor_image")


def test_whose_clients_know_no_keys_takes_passwords() -> None:
    found = {name for name, surface in registry.SURFACES.items() if surface.basic}
    assert found == {f"{name}{place}" for name in BASIC for place in ("", "_root")}


@pytest.mark.parametrize("name", registry.SURFACES)
def test_who_takes_passwords_asks_for_them(name: str) -> None:
    """Many clients send none before they are asked to, and others must not be asked."""
    surface = registry.SURFACES[name]
    status, headers, _ = surface.tongue.render(Unauthenticated("no"))
    assert (status, dict(headers).get(b"www-authenticate", b"").startswith(b"Basic")) == (401, surface.basic)
