from types import SimpleNamespace

import pytest

from polyrelay.kernel.errors import InvalidRequest
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
