"""What requests bring, strictly: no other members, no other types, nothing unbounded, no float for money."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema

from polyrelay.kernel import money
from polyrelay.ledger.pots import MOST as MOST_NANOS
from polyrelay.service.administration import times
from polyrelay.service.administration.roles import Role

MOST_COUNT = 2**53
"""The largest whole number that every JSON reader keeps exactly (RFC 8259 section 6)."""

LONGEST_OVERLAP = 90 * 24 * 3600
"""Seconds; a quarter of a year is no overlap but a second key."""


def _one_line(text: str) -> str:
    if not text.isprintable() or not text.strip():
        raise ValueError("must be printable text on one line")
    return text


def _amount(value: object, *, signed: bool) -> int:
    if not isinstance(value, str):
        raise ValueError('must be a decimal string, as in "12.50"')  # noqa: TRY004 - pydantic takes ValueError
    try:
        found = money.amount(value, signed=signed)
    except money.NotMoney as error:
        raise ValueError(str(error)) from error
    if abs(found) > MOST_NANOS:
        raise ValueError("is more than the books can count")
    return found


def _instant(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError("must be an RFC 3339 time, as in 2026-12-01T00:00:00Z")  # noqa: TRY004 - as above
    return times.parse(value)


def _positive(amount: int) -> int:
    if amount <= 0:
        raise ValueError("must be above 0")
    return amount


def _not_zero(amount: int) -> int:
    if amount == 0:
        raise ValueError("must not be 0")
    return amount


_DECIMAL = WithJsonSchema({"type": "string", "pattern": r"^\d{1,12}(\.\d{1,9})?$", "examples": ["12.50"]})
_SIGNED = WithJsonSchema({"type": "string", "pattern": r"^[+-]?\d{1,12}(\.\d{1,9})?$", "examples": ["-0.25"]})

Line = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_one_line)]
Amount = Annotated[int, BeforeValidator(lambda value: _amount(value, signed=False)), _DECIMAL]
Paid = Annotated[int, BeforeValidator(lambda value: _positive(_amount(value, signed=False))), _DECIMAL]
Correction = Annotated[int, BeforeValidator(lambda value: _not_zero(_amount(value, signed=True))), _SIGNED]
Instant = Annotated[float, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]

Id = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^[A-Za-z0-9_-]+$")]
Slug = Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
Label = Annotated[str, StringConstraints(max_length=200), AfterValidator(lambda text: text and _one_line(text))]
Reason = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Tags = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=64)]], Field(max_length=32)]
Globs = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=200)]], Field(max_length=500)]
Networks = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=64)]], Field(max_length=200)]
Multiplier = Annotated[str, StringConstraints(min_length=1, max_length=32)]
Url = Annotated[str, StringConstraints(max_length=500)]
Count = Annotated[int, Field(ge=0, le=MOST_COUNT)]


class Body(BaseModel):
    """A request's body."""

    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)

    def given(self) -> dict[str, Any]:
        """The members that were sent."""
        return self.model_dump(exclude_unset=True)


class LimitsBody(Body):
    """null takes the configured default, 0 is unlimited."""

    requests_per_minute: Count | None = None
    requests_per_day: Count | None = None
    tokens_per_minute: Count | None = None
    concurrency: Count | None = None


class _Account(Body):
    customer_group: Slug = ""
    zone: Line = ""
    hold_policy: Literal["strict", "clamp"] = "clamp"
    limits: LimitsBody = LimitsBody()
    disabled: bool = False
    tags: Tags = []


class AccountChange(_Account):
    """What of an account is to change."""

    name: Line = ""


class NewAccount(_Account):
    """A new account."""

    name: Line


class _Project(Body):
    limits: LimitsBody = LimitsBody()
    disabled: bool = False
    tags: Tags = []


class ProjectChange(_Project):
    """What of a project is to change."""

    name: Line = ""


class NewProject(_Project):
    """A new project."""

    account: Id
    name: Line


class KeyChange(Body):
    """What a key may do from now on. `models` are globs, `networks` CIDRs; empty admits all."""

    name: Label = ""
    models: Globs = []
    networks: Networks = []
    limits: LimitsBody = LimitsBody()
    tags: Tags = []
    expires_at: Instant | None = None


class NewKey(KeyChange):
    """A new key."""

    account: Id
    project: Id | None = None


class Rotation(Body):
    """How long the old key works beside the new one."""

    overlap_seconds: Annotated[int, Field(ge=0, le=LONGEST_OVERLAP)] = 0


class NewBudget(Body):
    """A budget of an account, a project or a key."""

    scope: Literal["account", "project", "key"]
    owner: Id
    period: Literal["day", "week", "month", "total"]
    amount: Amount


class BudgetChange(Body):
    """Another amount."""

    amount: Amount


class GroupChange(Body):
    """What of a customer group is to change. `multiplier` of every sell price, a decimal string."""

    multiplier: Multiplier = ""
    limits: LimitsBody = LimitsBody()


class NewGroup(Body):
    """A new customer group."""

    name: Slug
    multiplier: Multiplier
    limits: LimitsBody = LimitsBody()


class _Channel(Body):
    priority: Annotated[int, Field(ge=-MOST_COUNT, le=MOST_COUNT)] | None = None
    weight: Count | None = None
    concurrency: Count | None = None
    waiting: Count | None = None
    timeouts: dict[str, int | float] | None = None
    proxy: Url | None = None
    client_gone: str | None = None
    artefacts: str | None = None
    scripts: Annotated[list[Line], Field(max_length=100)] | None = None
    poll_seconds: Annotated[float, Field(ge=0)] | None = None
    http2: bool | None = None
    disabled: bool = False


class ChannelChange(_Channel):
    """Members of a channel, as in the configuration file; null removes one. Those it does not name stay."""

    provider: Line = ""
    base_url: Url = ""
    models: Annotated[list[str | dict[str, str]], Field(max_length=2000)] = []


class NewChannel(_Channel):
    """A new channel; its credentials follow one by one."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    provider: Line
    base_url: Url
    models: Annotated[list[str | dict[str, str]], Field(min_length=1, max_length=2000)]


Secret = Annotated[
    str,
    StringConstraints(min_length=1, max_length=8192, pattern=r"^[\x21-\x7e]+$"),
    Field(json_schema_extra={"writeOnly": True}),
]


class NewCredential(Body):
    """An upstream's key; it can be replaced but never read."""

    name: Annotated[str, StringConstraints(min_length=1, max_length=120, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    secret: Secret


class CredentialChange(Body):
    """Another key in its place, or whether it is used."""

    secret: Secret = ""
    disabled: bool = False


class Payment(Body):
    """Money for an account."""

    account: Id
    amount: Paid
    reason: Reason


class Promotion(Body):
    """Credit for an account, until `expires_at`."""

    account: Id
    amount: Paid
    expires_at: Instant
    reason: Reason


class Adjustment(Body):
    """A correction; negative takes."""

    account: Id
    amount: Correction
    reason: Reason


class Refund(Body):
    """A charge, or a part of it, given back."""

    exchange: Id
    amount: Paid
    reason: Reason


class Overdraft(Body):
    """How far below zero an account's balance may go."""

    amount: Amount


class NewToken(Body):
    """An admin token."""

    name: Line
    role: Literal["owner", "operator", "auditor", "support"]
    expires_at: Instant | None = None

    @property
    def wanted(self) -> Role:
        """As the use case has it."""
        return Role(self.role)
