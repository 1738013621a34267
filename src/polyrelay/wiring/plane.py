"""What the control plane administers; what costs much to import waits for its first use."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from polyrelay.config import documents, tariffs
from polyrelay.metering import write
from polyrelay.providers.registry import PROFILES
from polyrelay.service.administration.owned import Owned
from polyrelay.service.administration.plane import Plane
from polyrelay.service.administration.refusals import Flaw
from polyrelay.storage.administration.opening import LateOffice, RingSecrets
from polyrelay.storage.sql.transaction import Database
from polyrelay.wiring.offer import Offer


def make(
    database: Database, data: Path, file: Path | None, offer: Callable[[], Offer], keys_changed: Callable[[], Any]
) -> Plane:
    """The control plane of a node. `offer` is the one in force; `keys_changed` is called after keys were changed."""

    def owned() -> Owned:
        book = offer().file_book
        return Owned(
            str(file or "the configuration"),
            {channel.name: documents.shown(channel) for channel in offer().settings.channels},
            book.tariffs,
            {name: write.factor(factor) for name, factor in book.groups.items()},
        )

    def check(document: Mapping[str, Any]) -> list[Flaw]:
        found = documents.problems(document, PROFILES)
        return [Flaw(f"{problem.found}; allowed: {problem.allowed}", problem.path) for problem in found]

    return Plane(
        LateOffice(database, keys_changed), RingSecrets(data), tariffs.zone, check, owned, lambda: offer().settings
    )
