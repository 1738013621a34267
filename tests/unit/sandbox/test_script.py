import pytest

from polyrelay.sandbox import script, values
from polyrelay.sandbox.script import Script


def test_a_plain_name_is_a_well_behaved_vendor() -> None:
    assert script.for_model("gpt-4o") == Script()
    assert script.for_model("ft:gpt-4o:org::id") == Script()


def test_options_follow_the_name() -> None:
    read = script.for_model(
        "sandbox:first=200ms,pace=1.5s,tokens=64,cut=1234,stamp,retry-after=3,inform=100+103,length=-5"
    )
    assert read == Script(
        first=0.2, pace=1.5, tokens=64, cut=1234, stamp=True, retry_after="3", inform=(100, 103), length=-5
    )


def test_options_override_the_preset() -> None:
    assert script.for_model("sandbox-demo") == Script(first=0.15, pace=0.025)
    assert script.for_model("sandbox-demo:pace=0ms").first == 0.15
    assert script.for_model("sandbox-demo:pace=0ms").pace == 0


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("firts=1s", "unknown option 'firts'"),
        ("first=fast", "option 'first': 'fast' is not a duration"),
        ("tokens=-1", "option 'tokens'"),
        ("newline=nl", "one of lf, crlf, cr"),
        ("piece=9GB", "option 'piece'"),
        ("stamp=maybe", "not 1 or 0"),
        ("length=long", "not a difference"),
        ("inform=200", "100, 102 or 103"),
        ("code=a\r\nb", "printable"),
    ],
)
def test_what_cannot_be_understood_is_named(written: str, said: str) -> None:
    with pytest.raises(values.ScriptError, match=said):
        script.changes(written)


def test_json_values() -> None:
    assert script.changes({"first": 0.25, "retry_after": 7, "stamp": True, "cut": None, "piece": "8MB"}) == {
        "first": 0.25,
        "retry_after": "7",
        "stamp": True,
        "cut": None,
        "piece": 8 * 1024 * 1024,
    }


def test_the_description_names_every_option_and_preset() -> None:
    text = script.describe()
    for name in Script.__dataclass_fields__:
        assert f"  {name.replace('_', '-')} " in text
    for preset in script.PRESETS:
        assert preset in text
