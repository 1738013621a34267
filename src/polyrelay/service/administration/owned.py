"""What the configuration file decides, and the control plane only shows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from polyrelay.metering.tariff import Tariff
from polyrelay.service.administration import refusals

FILE = "file"
API = "api"
SEED = "seed"


@dataclass(frozen=True, slots=True)
class Owned:
    """`file` is its path, for messages. `channels` are documents without secrets, by name; `groups` multipliers as
    decimal strings, by name; `tariffs` those of the file and of the shipped price lists.
    """

    file: str = "the configuration file"
    channels: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    tariffs: tuple[Tariff, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)

    def refuse(self, what: str, name: str) -> None:
        """Raises `Conflicting`: it has to be changed in the file."""
        raise refusals.Conflicting(
            f"The {what} {name!r} is owned by {self.file}; change it there.", code="owned_by_file"
        )


NOTHING_OWNED = Owned()
