"""What can go wrong between a worker and its bank or disk, at the call the simulation names."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from polyrelay.service.bank import Bank, BankAway
from polyrelay.storage.journaling.journal import Journal, JournalFull
from polyrelay.storage.journaling.journals import JournalFolder

STEP = 4096


class Killed(BaseException):
    """The process is gone: nothing of ours may catch this, and nothing it does afterwards reaches anybody."""


@dataclass
class Gate:
    """Every call of one worker passes here, before and after its effect. Counts down to what was planned.

    `kill`, `away` and `visit` are such counts, in half calls, so that an odd one strikes before the effect and an even
    one after it; 0 is never. `visitor` is what happens in the relay while the bank's answer is under way. `down` is a
    bank that cannot be reached at all.
    """

    kill: int = 0
    away: int = 0
    visit: int = 0
    visitor: Callable[[], object] = lambda: None
    down: bool = False
    disk_full: bool = False
    dead: bool = False
    files: list["GatedJournal"] = field(default_factory=list)

    def step(self, *, bank: bool) -> None:
        if self.dead:
            raise Killed
        if self.kill:
            self.kill -= 1
            self.dead = not self.kill
            if self.dead:
                raise Killed
        if bank and self.visit:
            self.visit -= 1
            if not self.visit:
                self.visitor()
        if bank and self.away:
            self.away -= 1
            if not self.away:
                raise BankAway("no answer came")

    def heal(self) -> None:
        """What was planned and did not strike is off."""
        self.kill = self.away = self.visit = 0

    def bury(self) -> None:
        """What the kernel does for a dead process: it drops the locks."""
        self.dead = True
        for file in self.files:
            Journal.close(file)


@dataclass
class _GatedBank:
    bank: Bank
    gate: Gate

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.bank, name)

        async def call(*values: Any, **named: Any) -> Any:
            self.gate.step(bank=True)
            if self.gate.down:
                raise BankAway("the database is down")
            result = await method(*values, **named)
            self.gate.step(bank=True)
            return result

        return call


def gated(bank: Bank, gate: Gate) -> Bank:
    return cast("Bank", _GatedBank(bank, gate))


class GatedJournal(Journal):
    """Opened without syncing, so that `durable` is what was asked for, and `cut` takes the rest away."""

    __slots__ = ("gate",)
    gate: Gate

    def append(self, payload: bytes, *, room: int = 0, reserved: int = 0) -> int:
        self.gate.step(bank=False)
        end = super().append(payload, room=room, reserved=reserved)
        self.gate.step(bank=False)
        return end

    def read(self, offset: int) -> Iterator[tuple[int, bytes]]:
        self.gate.step(bank=False)
        return super().read(offset)

    def remove(self) -> None:
        self.gate.step(bank=False)
        super().remove()
        self.gate.step(bank=False)

    def cut(self) -> None:
        """The power goes: what was never synced is lost."""
        os.ftruncate(self._fd, self.durable)

    def _allocate(self, needed: int) -> None:
        if hasattr(self, "gate") and self.gate.disk_full:
            raise JournalFull("no space is left")
        super()._allocate(needed)


class GatedFolder(JournalFolder):
    def __init__(self, data: Path, gate: Gate) -> None:
        super().__init__(data, "off")
        self._gate = gate

    def create(self, worker: str, segment: int) -> GatedJournal:
        if self._gate.disk_full:
            raise JournalFull("no space is left")
        self._gate.step(bank=False)
        made = GatedJournal.create(self._file(worker, segment), sync="off", step=STEP)
        made.gate = self._gate
        self._gate.files.append(made)
        self._gate.step(bank=False)
        return made
