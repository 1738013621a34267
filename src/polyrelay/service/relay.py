"""The front desk of every relay route: admit, choose, dispatch; and say no in the client's own protocol."""

import logging

import msgspec

from polyrelay.access import policy
from polyrelay.access.principal import Principal
from polyrelay.exchange.outcome import Outcome
from polyrelay.kernel import errors, ids
from polyrelay.providers import outbound
from polyrelay.service import admit, answers
from polyrelay.service.admit import Admitted
from polyrelay.service.answers import Headers, Slip
from polyrelay.service.dispatch import Dispatch
from polyrelay.service.drain import Drain
from polyrelay.service.ports import Client, Head, HeaderList, Inbound, Record
from polyrelay.service.world import Snapshot, World
from polyrelay.wire import registry

logger = logging.getLogger(__name__)


class Caller(msgspec.Struct):
    """What is known of who asked, and for what, by the time a request is refused."""

    holder: Principal | None = None
    model: str | None = None


class Relay:
    """One per process. `snapshot` is replaced whole when the configuration is reloaded."""

    def __init__(self, world: World, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.in_flight = 0
        """Exchanges open now."""
        self.world = world
        self._drains: set[Drain] = set()

    def open(self, inbound: Inbound, client: Client) -> Dispatch | None:
        """Serve `inbound`, or refuse it: then `client` has its answer and None is returned. Never raises."""
        head = dict(inbound.headers)
        slip = self.slip(head, inbound.arrived)
        caller = Caller()
        try:
            dispatch = self._admit(inbound, head, client, slip, caller)
            dispatch.start()
        except errors.Refusal as refusal:
            self._refuse(slip, inbound.surface, refusal, client, caller)
        except Exception:  # border: one request's defect must not become another's
            logger.exception("exchange %s failed inside the relay", slip.exchange)
            defect = errors.InternalFault("The relay failed to serve this request.")
            self._refuse(slip, inbound.surface, defect, client, caller)
        else:
            return dispatch
        return None

    def screen(self, surface: str, headers: HeaderList, peer: str) -> errors.Refusal | None:
        """Whether the caller may call at all, asked before a large body is read."""
        basic = registry.SURFACES[surface].basic
        try:
            admit.principal(dict(headers), peer, keys=self.world.keys, now=self.world.clock.wall(), basic=basic)
        except errors.Refusal as refusal:
            return refusal
        return None

    def refuse(self, surface: str, headers: HeaderList, refusal: errors.Refusal, client: Client) -> None:
        """Say no on behalf of the HTTP layer, in the protocol of `surface`."""
        self._refuse(self.slip(dict(headers), self.world.clock.monotonic()), surface, refusal, client, Caller())

    def identify(self, head: Head) -> Headers:
        """`x-request-id` and `openai-processing-ms` for an answer that is made at once."""
        now = self.world.clock.monotonic()
        return self.slip(head, now).headers(now)

    def slip(self, head: Head, arrived: float) -> Slip:
        """What identifies a request that arrived at `arrived` (monotonic seconds)."""
        world = self.world
        exchange = ids.exchange_id(int(world.clock.wall() * 1000), world.entropy(ids.ENTROPY_BYTES))
        return Slip(exchange, answers.label(head.get(b"x-request-id")), arrived)

    def close(self) -> None:
        """Book what is still read on for clients that have left. To be called when the HTTP side is done."""
        for drain in tuple(self._drains):
            drain.stop()

    # ── inside ──

    def _admit(self, inbound: Inbound, head: Head, client: Client, slip: Slip, caller: Caller) -> Dispatch:
        world, snapshot = self.world, self.snapshot
        if self.in_flight >= snapshot.settings.bounds.streams_in_flight:
            raise errors.Overloaded("The relay is at its limit of open requests; retry shortly.", retry_after=1.0)
        surface = registry.SURFACES[inbound.surface]
        holder = admit.principal(head, inbound.peer, keys=world.keys, now=world.clock.wall(), basic=surface.basic)
        caller.holder = holder
        request = surface.read(inbound)
        call = request.call
        caller.model = call.model
        policy.check_model(holder, call.model)
        candidates = snapshot.candidates(call.model, request.operations, hash(slip.exchange))
        if not candidates:
            raise unserved(snapshot, call.model)
        passed = outbound.passed(head)
        lease = admit.lease(holder, call, world.limits)
        admitted = Admitted(surface, slip, holder, request, lease, candidates, passed, answers.asks_cost(head))
        self.in_flight += 1
        return Dispatch(world, snapshot, admitted, client, self._closed, self._drains)

    def _closed(self) -> None:
        self.in_flight -= 1

    def _refuse(self, slip: Slip, surface: str, refusal: errors.Refusal, client: Client, caller: Caller) -> None:
        now = self.world.clock.monotonic()
        status, headers, body = registry.SURFACES[surface].tongue.render(refusal)
        client.reply(status, [*headers, *slip.headers(now)], body)
        record = Record(
            exchange=slip.exchange,
            label=slip.label,
            surface=surface,
            account=caller.holder.account if caller.holder else None,
            key=caller.holder.key_id if caller.holder else None,
            model=caller.model,
            channel=None,
            status=status,
            outcome=Outcome.REFUSED,
            attempts=0,
            seconds=now - slip.arrived,
            first_token=None,
            usage=None,
            finish=None,
            error=refusal.code,
            billing=None,
        )
        if caller.holder is not None:
            self.world.ledger.refuse(record, caller.holder)
        self.world.records.add(record)


def model_not_found(model: str) -> errors.NotFound:
    """The refusal for a model that no channel serves."""
    return errors.NotFound(
        f"The model `{model[:128]}` does not exist or you do not have access to it.",
        code="model_not_found",
        param="model",
    )


def unserved(snapshot: Snapshot, model: str) -> errors.Refusal:
    """The refusal of a call that no channel of `model` can be asked for, or that no channel serves at all."""
    if not snapshot.catalog.tiers(model):
        return model_not_found(model)
    return errors.InvalidRequest(
        f"No channel of the model `{model[:128]}` can be asked for this call, or not with these fields.",
        code="unsupported",
        param="model",
    )
