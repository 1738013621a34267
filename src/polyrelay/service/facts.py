"""A record of an exchange as its journal entry keeps it. Texts are cut, so that an entry always fits its room."""

from polyrelay.ledger import entries
from polyrelay.service.ports import Record

MODEL_CHARACTERS = 200
WORD_CHARACTERS = 40
ERROR_CHARACTERS = 80
NAME_CHARACTERS = 120
GROUP_CHARACTERS = 200


def of(record: Record) -> entries.Facts:
    """What the usage record tells of `record` beside money."""
    channel, provider, finish, error = record.channel, record.provider, record.finish, record.error
    billing, first = record.billing, record.first_token
    return entries.Facts(
        record.surface,
        (record.model or "")[:MODEL_CHARACTERS],
        None if channel is None else channel[:NAME_CHARACTERS],
        None if provider is None else provider[:NAME_CHARACTERS],
        record.status,
        record.outcome,
        record.attempts,
        _to_the_microsecond(record.seconds),
        None if first is None else _to_the_microsecond(first),
        None if finish is None else finish[:WORD_CHARACTERS],
        None if error is None else error[:ERROR_CHARACTERS],
        record.label,
        None if billing is None else _cut(billing.group_id, GROUP_CHARACTERS),
        None if billing is None else _cut(billing.source, WORD_CHARACTERS),
    )


def name(text: str | None) -> str | None:
    """A channel's or provider's name."""
    return _cut(text, NAME_CHARACTERS)


def _cut(text: str | None, most: int) -> str | None:
    return None if text is None else text[:most]


def _to_the_microsecond(seconds: float) -> float:
    """Rounded to six digits, in a third of the time that `round` takes for it."""
    return int(seconds * 1e6 + 0.5) / 1e6
