"""What must become of each exchange, told by what its worker said to its client."""

from dataclasses import dataclass, field

from polyrelay.service.treasury import Reserved
from support.books import Snapshot


@dataclass(frozen=True)
class Filed:
    """A row of the books."""

    key: str
    version: str | None
    amount: int | None
    write_off: int
    indeterminate: bool


@dataclass
class Exchange:
    """`due` is what the client was told; `complete` whether its last bytes left. `lost` is one whose worker died over
    it, `ending` one that was being ended just then; `vague` one of which not even the hold need have been written, or
    have outlived a power cut.
    """

    key: str
    hold: Reserved | None = None
    due: int | None = None
    complete: bool = False
    voided: bool = False
    lost: bool = False
    ending: bool = False
    vague: bool = False

    @property
    def live(self) -> bool:
        return self.hold is not None and self.due is None and not self.voided and not self.lost

    def check(self, filed: Filed | None) -> None:
        if filed is None:
            assert self.hold is None or self.vague, "no row"
            assert not self.complete, "an answer that was seen complete is not charged"
            return
        assert filed.key == self.key, "another payer's number"
        if filed.amount is not None and self.hold is not None:
            assert filed.version == self.hold.pin.tariff.version, "another quote's number"
        if self.complete or not (self.lost or self.vague):
            self._check_told(filed)
        elif not self.vague:
            assert filed.indeterminate or self.ending, "lost in flight, and not flagged"

    def _check_told(self, filed: Filed) -> None:
        assert not filed.indeterminate, "its end was written"
        if self.voided:
            assert filed.amount is None, "a voided exchange is charged"
            return
        assert self.hold is not None
        assert self.due is not None, "an exchange without an end has a row"
        assert filed.amount is not None, "a settled exchange is not charged"
        assert filed.amount + filed.write_off == self.due, "another amount than the client was told"
        assert filed.write_off <= max(0, self.due - self.hold.amount), "written off what the hold covered"


@dataclass
class Model:
    """Everything that was ever asked for, by exchange."""

    exchanges: dict[str, Exchange] = field(default_factory=dict)

    def check(self, filed: dict[str, Filed], snapshot: Snapshot, refused: set[str]) -> None:
        """After the end: every exchange has its row, nothing else has one, and nothing is set aside."""
        for name, exchange in self.exchanges.items():
            try:
                exchange.check(filed.get(name))
            except AssertionError as error:
                raise AssertionError(f"{name}: {error}: {exchange} {filed.get(name)}") from error
        assert filed.keys() <= self.exchanges.keys() | refused
        assert not snapshot.slices
        assert not any(pot.escrowed for pot in snapshot.pots.values())
