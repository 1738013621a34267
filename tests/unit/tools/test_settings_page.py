"""docs/configuration.md tells every setting, and tells what the code says."""

import dataclasses

import settings_page

from polyrelay.settings.root import Settings


def test_the_page_is_current() -> None:
    assert settings_page.main(["--check"]) == 0


def test_every_group_of_settings_has_its_table() -> None:
    tables = {name.strip("[]").split(".")[0] for name, _ in settings_page.TABLES}
    assert tables == {field.name for field in dataclasses.fields(Settings)}


def test_a_field_is_told_with_unit_type_default_and_reason() -> None:
    page = settings_page.page()
    assert "| `keep_alive_comment_seconds` | number | `0.0` | Send `: keep-alive` SSE comments at this pace" in page
    assert "| `connect` | number | - | TCP and TLS. |" in page
