from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.service.webhooks.ports import Claim, chosen

DUE = st.lists(st.sampled_from(["a", "b", "c"]), max_size=20).map(
    lambda accounts: [(f"msg_{number}", account) for number, account in enumerate(accounts)]
)


@given(DUE, st.integers(0, 10), st.integers(1, 4), st.dictionaries(st.sampled_from(["a", "b"]), st.integers(0, 5)))
def test_shares_and_order(due: list[tuple[str, str]], limit: int, per_account: int, busy: dict[str, int]) -> None:
    taken = chosen(due, Claim(limit, per_account, 60, busy))
    owners = dict(due)
    counts = Counter(busy) + Counter(owners[name] for name in taken)
    assert len(taken) <= limit
    assert all(counts[owners[name]] <= per_account for name in taken)
    assert taken == [name for name, _ in due if name in set(taken)]
    left = [account for name, account in due if name not in set(taken)]
    assert len(taken) == limit or all(counts[account] >= per_account for account in left)
