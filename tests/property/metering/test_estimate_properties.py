"""The short way to a bound says what the long way says."""

from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.exchange.call import Call
from polyrelay.exchange.usage import Usage
from polyrelay.metering import estimate, rate, read
from polyrelay.metering.sheet import factor
from polyrelay.metering.tariff import Quote, Source

rates = st.integers(0, 10**6).map(lambda millis: f"{millis // 1000}.{millis % 1000:03d}")
tokens = st.integers(0, 10**6)


@st.composite
def quotes(draw: st.DrawFn) -> Quote:
    sell = {"input_text": draw(rates), "output_text": draw(rates)}
    if draw(st.booleans()):
        sell["per_request"] = draw(rates)
    maxima = {"context": draw(st.integers(1, 10**6))} if draw(st.booleans()) else {}
    document = {"model": "m", "sell": sell, "maxima": maxima}
    return read.tariff(document, source=Source.FILE, zones=ZoneInfo).quote(0.0, factor(draw(rates)))


calls = st.builds(
    Call,
    st.just("m"),
    stream=st.booleans(),
    input_bytes=tokens,
    max_output=st.none() | tokens,
    choices=st.integers(1, 8),
)


@given(calls, quotes())
def test_a_bound_is_the_cost_of_its_output(call: Call, quote: Quote) -> None:
    found = estimate.bound(call, quote)
    assert found.amount == estimate.cost(call, quote, found.output)


@given(calls, quotes(), tokens, tokens)
def test_what_stays_within_the_bytes_and_the_cap_stays_within_the_bound(
    call: Call, quote: Quote, given_in: int, given_out: int
) -> None:
    found = estimate.bound(call, quote)
    usage = Usage(
        input_text=min(given_in, call.input_bytes, quote.maxima.context or given_in),
        output_text=min(given_out, found.output * call.choices),
    )
    assert rate.amount(usage, quote) == rate.charge(usage, quote).amount
    assert rate.amount(usage, quote) <= found.amount
