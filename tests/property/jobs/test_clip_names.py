"""Names of clips lead back to their job, and nothing else does."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.jobs import clips
from polyrelay.kernel import ids

millis = st.integers(0, 2**48 - 1)
entropy = st.binary(min_size=8, max_size=8)
numbers = st.integers(0, clips.MOST_CLIPS - 1)


@given(millis, entropy, numbers)
def test_a_name_is_a_uuid_that_leads_back(at: int, drawn: bytes, number: int) -> None:
    job = ids.exchange_id(at, drawn)
    name = clips.name(job, number)
    assert (UUID(name).version, UUID(name).variant, UUID(name).time_hi_version >> 12) == (7, "specified in RFC 4122", 7)
    assert clips.parse(name) == (job, number)
    assert clips.parse(name.upper()) == (job, number)


@given(millis, entropy, numbers, numbers)
def test_two_clips_have_two_names(at: int, drawn: bytes, one: int, other: int) -> None:
    job = ids.exchange_id(at, drawn)
    assert (clips.name(job, one) == clips.name(job, other)) == (one == other)


@given(st.uuids() | st.text(max_size=40))
def test_other_texts_are_no_names(text: object) -> None:
    found = clips.parse(str(text))
    assert found is None or clips.name(*found) == str(UUID(str(text)))
