"""Which limits a request falls under."""

from collections.abc import Iterator
from dataclasses import dataclass

from polyrelay.access import policy
from polyrelay.access.principal import KeyLimits, LimitScope, Principal
from polyrelay.settings.limits import LimitSettings

NAME_SHOWN = 128
"""Characters of a model's name that refusals repeat."""


@dataclass(frozen=True, slots=True)
class LimitBook:
    """The limits by model and customer group. Replaced whole when the configuration is reloaded."""

    rules: tuple[LimitSettings, ...] = ()

    def scopes(self, principal: Principal, model: str) -> Iterator[LimitScope]:
        """What limits `principal`'s requests for `model`, each scope once: its key, those it shares, and the rules.

        A rule's scope keeps its id when only the rule's numbers change, so that what was used stays counted.
        """
        own = LimitScope(("key", principal.key_id), "this API key", principal.limits)
        scopes = (own, *principal.scopes, *self._ruled(principal, model))
        yield from {scope.id: scope for scope in scopes if scope.limits}.values()

    def _ruled(self, principal: Principal, model: str) -> Iterator[LimitScope]:
        for rule in self.rules:
            if rule.group is not None and rule.group != principal.group:
                continue
            if rule.model is None or policy.fits((rule.model,), model):
                yield _scope(rule, principal, model if rule.model is not None else None)


NO_RULES = LimitBook()


def _scope(rule: LimitSettings, principal: Principal, model: str | None) -> LimitScope:
    subject, whose = _subject(rule, principal)
    label = whose
    if model is not None:
        label = f"model {model[:NAME_SHOWN]}" + (f" for {whose}" if subject or rule.group is not None else "")
    limits = KeyLimits(rule.requests_per_minute, rule.tokens_per_minute, rule.concurrency, rule.requests_per_day)
    return LimitScope(
        ("rule", rule.model or "", model or "", rule.group or "", rule.each or "", subject),
        label,
        limits,
    )


def _subject(rule: LimitSettings, principal: Principal) -> tuple[str, str]:
    """The id of whom the rule counts by itself, empty for everybody together, and what refusals call that."""
    if rule.each == "key":
        return principal.key_id, "this API key"
    if rule.each == "account":
        return principal.account_id, "your account"
    return "", f"customer group {rule.group}" if rule.group is not None else "this relay"
