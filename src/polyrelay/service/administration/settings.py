"""The settings in force, as they may be shown."""

import dataclasses
from typing import Any

from polyrelay.service.administration.redact import HIDDEN, scrubbed


def effective(settings: Any) -> Any:
    """Settings (dataclasses, tuples and plain values) as JSON's values. What has no repr is a secret and hidden."""
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        return {
            field.name: _member(getattr(settings, field.name), shown=field.repr)
            for field in dataclasses.fields(settings)
        }
    if isinstance(settings, tuple):
        return [effective(each) for each in settings]
    return scrubbed(settings) if isinstance(settings, str) else settings


def _member(value: Any, *, shown: bool) -> Any:
    return effective(value) if shown or value is None else HIDDEN
