"""A job as a client asks for it, and as it begins: what it may cost at most, and which meters are to hold that."""

from collections.abc import Sequence

import msgspec

from polyrelay.access.principal import Principal
from polyrelay.exchange.call import Call
from polyrelay.exchange.job import Ask
from polyrelay.exchange.video import VideoAsk
from polyrelay.jobs.job import Job, Payer, Price, kind_of
from polyrelay.kernel.ids import ExchangeId
from polyrelay.ledger import meters
from polyrelay.ledger.meters import Meter
from polyrelay.metering import estimate
from polyrelay.metering.book import Unpriced
from polyrelay.routing.channel import Candidate
from polyrelay.service.jobs.works import Works
from polyrelay.service.pricing import not_priced


class Commission(msgspec.Struct, frozen=True):
    """A job that a client asks for. `call.model` is the model, `call.demand` bounds what it may use (`tasks=1`, or
    seconds); `candidates` may serve it, best first. `notify` is a URL the client wants to be called at.
    """

    exchange: ExchangeId
    principal: Principal
    surface: str
    ask: Ask
    call: Call
    candidates: Sequence[Candidate]
    label: str | None = None
    notify: str | None = None


def begun(works: Works, commission: Commission) -> tuple[Job, Sequence[Meter]]:
    """The job as it begins, and the meters that are to hold `job.held` each. Raises `errors.NotPriced`."""
    principal, call, now = commission.principal, commission.call, works.clock.wall()
    pin = works.pricing.pin(call.model, principal.group, now)
    try:
        bound = estimate.bound(call, pin.quote)
    except Unpriced as error:
        raise not_priced(call.model) from error
    found, _ = meters.of(principal.account_id, principal.budgets, works.zones(principal.zone), now)
    names = tuple(meter.id for meter in found)
    job = Job(
        id=commission.exchange,
        payer=Payer(principal.account_id, principal.project_id, principal.key_id, principal.group, names),
        surface=commission.surface,
        kind=kind_of(commission.ask),
        ask=_kept(commission.ask),
        model=call.model,
        held=bound.amount,
        price=Price(pin.document().decode(), pin.quote.multiplier, pin.quote.window),
        keeper=works.keeper(),
        created_at=now,
        demand=call.demand,
        label=commission.label,
        billing=call.billing,
        notify=commission.notify,
    )
    return job, found


def _kept(ask: Ask) -> Ask:
    """`ask` as the row keeps it: of images that came inline, which may be many megabytes, only what they are."""
    if not isinstance(ask, VideoAsk):
        return ask
    return msgspec.structs.replace(ask, images=tuple(_without_data(image) for image in ask.images))


def _without_data(image: str) -> str:
    return "".join(image.partition(",")[:2]) if image.startswith("data:") else image
