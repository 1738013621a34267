"""Calls customers' addresses as long as there is somebody to be called."""

import logging
from collections import Counter
from collections.abc import Callable, Sequence

from polyrelay.background.crew import Crew
from polyrelay.kernel.clock import Clock
from polyrelay.service.webhooks import patience
from polyrelay.service.webhooks.courier import Courier
from polyrelay.service.webhooks.ports import Claim, Delivery, DeliveryStore, State
from polyrelay.settings.webhooks import WebhookSettings

logger = logging.getLogger(__name__)

SHARE = 8
"""One account gets such a part of the hands: a receiver that hangs must not keep others from being called."""

LEASE_SECONDS = 60.0
"""Longer than an attempt may take: for the database, and a loop that is held up."""


class Deliveries:
    """One process's part of the deliveries. `settings` are those in force; `chance` gives numbers from -1 to 1."""

    def __init__(
        self,
        store: DeliveryStore,
        courier: Courier,
        settings: Callable[[], WebhookSettings],
        clock: Clock,
        chance: Callable[[], float],
    ) -> None:
        self._store = store
        self._courier = courier
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._crew = Crew("webhooks", self._hands, self._claim, self._deliver)

    def nudge(self) -> None:
        """A job has ended."""
        self._crew.nudge()

    async def run(self) -> None:
        """Until cancelled."""
        await self._crew.run()

    def _hands(self) -> int:
        settings = self._settings()
        return settings.concurrency if settings.enabled else 0

    async def _claim(self, limit: int, under_way: Sequence[Delivery]) -> Sequence[Delivery]:
        settings = self._settings()
        per_account = max(1, settings.concurrency // SHARE)
        busy = Counter(each.account for each in under_way)
        return await self._store.claim(Claim(limit, per_account, settings.timeout_seconds + LEASE_SECONDS, busy))

    async def _deliver(self, delivery: Delivery) -> None:
        settings = self._settings()
        attempt = await self._courier.attempt(delivery, settings)
        result = patience.after(delivery.attempts, attempt, self._clock.wall(), self._chance(), settings)
        await self._store.conclude(delivery, attempt, result)
        if result.state is State.FAILED:
            words = "webhook of job %s was given up at attempt %d: %s"
            logger.warning(words, delivery.job, delivery.attempts, attempt.error)
