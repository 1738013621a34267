from polyrelay.wire import registry


def test_both_chat_surfaces_are_known_by_name_and_path() -> None:
    assert registry.BY_PATH["/v1/chat/completions"] is registry.SURFACES["openai_chat"]
    assert registry.BY_PATH["/api/ai/chat/completions"] is registry.SURFACES["aitoearn_chat"]
    assert [s.name for s in registry.SURFACES.values() if s.billing_extras] == ["aitoearn_chat"]
