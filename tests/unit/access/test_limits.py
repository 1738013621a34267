import pytest

from polyrelay.access.limits import LimitBook
from polyrelay.access.principal import KeyLimits, LimitScope, Principal, account_limits, project_limits
from polyrelay.kernel.ids import AccountId, KeyId
from polyrelay.settings.limits import LimitSettings

ACCOUNT = AccountId("acc_1")
LIMITS = KeyLimits(1, 2, 3, 4)


def caller(group: str = "default", limits: KeyLimits = KeyLimits(), *scopes: LimitScope) -> Principal:
    return Principal(KeyId("key_1"), ACCOUNT, "acme", group=group, limits=limits, scopes=scopes)


def labels(principal: Principal, model: str, *rules: LimitSettings) -> list[str]:
    return [scope.label for scope in LimitBook(rules).scopes(principal, model)]


def test_a_request_falls_under_its_key_project_account_and_every_rule_that_fits() -> None:
    principal = caller("vip", LIMITS, account_limits(ACCOUNT, LIMITS), project_limits("prj_1", LIMITS))
    rules = (
        LimitSettings(group="vip", concurrency=1),
        LimitSettings(group="free", concurrency=1),
        LimitSettings(model="gpt-4*", concurrency=1),
        LimitSettings(model="gpt-3*", concurrency=1),
    )
    found = labels(principal, "gpt-4o", *rules)
    assert found == ["this API key", "your account", "your project", "customer group vip", "model gpt-4o"]


@pytest.mark.parametrize(
    ("rule", "label"),
    [
        (LimitSettings(concurrency=1), "this relay"),
        (LimitSettings(each="account", concurrency=1), "your account"),
        (LimitSettings(each="key", concurrency=1), "this API key"),
        (LimitSettings(model="*", group="vip", concurrency=1), "model m for customer group vip"),
        (LimitSettings(model="*", each="account", concurrency=1), "model m for your account"),
        (LimitSettings(model="*", each="key", concurrency=1), "model m for this API key"),
    ],
)
def test_labels_say_whose_limit_it_is(rule: LimitSettings, label: str) -> None:
    assert labels(caller("vip"), "m", rule) == [label]


def test_what_limits_nothing_is_no_scope_and_one_id_is_one_scope() -> None:
    assert labels(caller(), "m") == []
    twice = caller("default", KeyLimits(), project_limits("p", LIMITS), project_limits("p", LIMITS))
    assert labels(twice, "m") == ["your project"]


def test_a_rules_scopes_differ_by_whom_and_what_it_counts_and_not_by_its_numbers() -> None:
    def ids(rule: LimitSettings) -> list[object]:
        other = Principal(KeyId("key_2"), AccountId("acc_2"), "b")
        asked = ((caller(), "a"), (caller(), "b"), (other, "a"))
        return [scope.id for principal, model in asked for scope in LimitBook((rule,)).scopes(principal, model)]

    assert len(set(ids(LimitSettings(concurrency=1)))) == 1
    assert len(set(ids(LimitSettings(model="*", concurrency=1)))) == 2
    assert len(set(ids(LimitSettings(each="account", concurrency=1)))) == 2
    assert len(set(ids(LimitSettings(model="*", each="key", concurrency=1)))) == 3
    assert ids(LimitSettings(model="*", concurrency=1)) == ids(LimitSettings(model="*", requests_per_day=9))
