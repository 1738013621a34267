from polyrelay.service.administration import roles
from polyrelay.service.administration.roles import Role


def test_the_default_is_no() -> None:
    assert not any(roles.may(role, "accounts", "delete") for role in Role)
    assert not any(roles.may(role, "nothing", "read") for role in Role)


def test_an_owner_may_everything_and_nobody_less_may_make_owners() -> None:
    assert all(Role.OWNER in allowed for allowed in roles.TABLE.values())
    assert roles.TABLE["tokens", "write"] == {Role.OWNER}


def test_who_only_reads_changes_nothing() -> None:
    allowed = {role for (_, action), some in roles.TABLE.items() if action in {"write", "stop"} for role in some}
    assert Role.AUDITOR not in allowed
    assert {what for what, some in roles.TABLE.items() if Role.SUPPORT in some and what[1] != "read"} == {
        ("keys", "stop")
    }
