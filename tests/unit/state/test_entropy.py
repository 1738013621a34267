from polyrelay.state.entropy import SIP_BYTES, Entropy


def test_bytes_come_in_the_asked_number_and_never_twice() -> None:
    entropy = Entropy()
    given = [entropy(8) for _ in range(3 * SIP_BYTES // 8)]
    assert {len(each) for each in given} == {8}
    assert len(set(given)) == len(given)


def test_a_count_that_does_not_divide_the_sip_is_never_short() -> None:
    entropy = Entropy()
    assert all(len(entropy(7)) == 7 for _ in range(2 * SIP_BYTES // 7))
