"""What this worker may spend without asking the bank: one purse for each meter it holds slices of."""

from collections.abc import Callable, Iterable, Iterator
from datetime import tzinfo

from polyrelay.access.principal import Principal
from polyrelay.ledger import meters
from polyrelay.ledger.meters import Meter
from polyrelay.service.bank import Want

Zones = Callable[[str], tzinfo]

IDLE_SECONDS = 30.0
"""A purse that nobody used for so long gives its slice back: long enough that a chat's next turn finds it."""

AUTONOMY_SECONDS = 20.0
"""How long a busy purse is to last without the bank. It is refilled at half of that: a pause of ten goes unnoticed."""

FORGET_SECONDS = 1.0
"""Between looks for what nobody needs, which take milliseconds when there are many keys."""


class Purse:
    """Slices of one meter, in nanos. The bank's side of it is always `free + held + unposted`, or more while a reply of
    the bank is missing.

    `free` may be set aside, `held` is set aside for exchanges, `unposted` is settled in the journal but not in the
    database. `left` and `escrowed` are what the bank said last (see `bank.Taken`). `tight` purses give back
    what they do not need at once. `waiting` counts the exchanges that wait for it; `used_at` is monotonic seconds;
    `spent` is all that was ever settled, and `stocked` what that was at the last look.
    """

    __slots__ = (
        "escrowed",
        "free",
        "held",
        "left",
        "meter",
        "spent",
        "stocked",
        "tight",
        "unposted",
        "used_at",
        "waiting",
    )

    def __init__(self, meter: Meter) -> None:
        self.meter = meter
        self.free = 0
        self.held = 0
        self.unposted = 0
        self.left = 0
        self.escrowed = 0
        self.tight = False
        self.spent = 0
        self.stocked = 0
        self.waiting = 0
        self.used_at = 0.0

    @property
    def own(self) -> int:
        """This worker's part of what is escrowed."""
        return self.free + self.held + self.unposted

    @property
    def bare(self) -> bool:
        """Whether forgetting it loses nothing."""
        return not (self.own or self.waiting)


class Payer:
    """Who pays for a key, from which purses, until when (Unix seconds). `number` is its number in the journal's present
    segment, 0 when that does not state it yet; `asked_at` when it was last asked for (Unix seconds).
    """

    __slots__ = ("asked_at", "number", "principal", "purses", "until")

    def __init__(self, principal: Principal, purses: tuple[Purse, ...], until: float) -> None:
        self.principal = principal
        self.purses = purses
        self.until = until
        self.number = 0
        self.asked_at = 0.0


class Purses:
    """Every purse of the worker, and who pays from them."""

    def __init__(self, zones: Zones) -> None:
        self._zones = zones
        self._purses: dict[str, Purse] = {}
        self._payers: dict[str, Payer] = {}
        self._forget_at = 0.0

    def __iter__(self) -> Iterator[Purse]:
        return iter(self._purses.values())

    def payer(self, principal: Principal, now: float) -> Payer:
        """The payer for `principal` at `now` (Unix seconds): the one known, unless the key or the period changed."""
        known = self._payers.get(principal.key_id)
        if known is not None and known.principal is principal and now < known.until:
            known.asked_at = now
            return known
        found, until = meters.of(principal.account_id, principal.budgets, self._zones(principal.zone), now)
        made = Payer(principal, tuple([self._purse(meter) for meter in found]), until)
        made.asked_at = now
        self._payers[principal.key_id] = made
        return made

    def recall(self, meters: Iterable[str]) -> None:
        """Others need what lies idle of these meters: give it back, and take no more than needed for a while."""
        for meter in meters:
            purse = self._purses.get(meter)
            if purse is not None:
                purse.tight = True

    def get(self, meter: str) -> Purse | None:
        """The purse of a meter, by its id."""
        return self._purses.get(meter)

    def stock(self, seconds: float) -> list[Want]:
        """What purses want to hold to live AUTONOMY_SECONDS without the bank, at the pace of the last `seconds`."""
        wants = []
        for purse in self._purses.values():
            spent, purse.stocked = purse.spent - purse.stocked, purse.spent
            target = int(spent * AUTONOMY_SECONDS / seconds)
            if purse.free < target // 2 and not (purse.tight or purse.waiting):
                wants.append(Want(purse.meter, 0, 0, target - purse.free))
        return wants

    def new_segment(self) -> None:
        """No payer is stated in the journal's segment that begins now."""
        for payer in self._payers.values():
            payer.number = 0

    def sweep(self, now: float, wall: float) -> list[tuple[str, int]]:
        """Empty the purses that are idle or tight, and forget now and then what is no longer needed.

        Returns meter ids with the nanos to give back to the bank. `now` is monotonic seconds, `wall` Unix seconds.
        """
        returned = []
        for purse in self._purses.values():
            if purse.free and (purse.tight or now - purse.used_at > IDLE_SECONDS):
                returned.append((purse.meter.id, purse.free))
                purse.free = 0
        if now >= self._forget_at:
            self._forget_at = now + FORGET_SECONDS
            self._forget(wall)
        return returned

    def _forget(self, wall: float) -> None:
        for key in [key for key, payer in self._payers.items() if _over(payer, wall)]:
            del self._payers[key]
        kept = {purse.meter.id for payer in self._payers.values() for purse in payer.purses}
        for name in [name for name, purse in self._purses.items() if purse.bare and name not in kept]:
            del self._purses[name]

    def _purse(self, meter: Meter) -> Purse:
        known = self._purses.get(meter.id)
        if known is None:
            known = self._purses[meter.id] = Purse(meter)
        else:
            known.meter = meter
        return known


def _over(payer: Payer, wall: float) -> bool:
    """Whether nobody needs it soon. Its purses stay as long as there is anything in them."""
    return wall >= payer.until or wall - payer.asked_at > IDLE_SECONDS
