"""Everything the control plane works with, as one value."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any

from polyrelay.service.administration.channels import Check
from polyrelay.service.administration.owned import NOTHING_OWNED, Owned
from polyrelay.service.administration.ports import Office, Secrets


@dataclass(frozen=True, slots=True)
class Plane:
    """`zones` finds time zones by IANA name (LookupError or ValueError for others); `owned` is what the configuration
    file decides, `settings` the dataclass in force, `check_channel` the configuration file's rules for a channel.
    """

    office: Office
    secrets: Secrets
    zones: Callable[[str], tzinfo]
    check_channel: Check
    owned: Callable[[], Owned] = lambda: NOTHING_OWNED
    settings: Callable[[], Any] = lambda: None
