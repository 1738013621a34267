"""One attempt to tell a client that its job has ended."""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from polyrelay.access.destinations import BadDestination
from polyrelay.jobs.job import Job
from polyrelay.kernel.clock import Clock
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.outside import Errand, Outside, Unreachable, Wire
from polyrelay.service.webhooks import intake, signature
from polyrelay.service.webhooks.ports import Attempt, Delivery, KeySecrets
from polyrelay.settings.webhooks import WebhookSettings

Render = Callable[[Job], bytes]
"""A job as JSON in the dialect of the surface it came in by, its links to artefacts in their places."""

Load = Callable[[Collection[ExchangeId]], Awaitable[Sequence[Job]]]
"""Jobs by their ids, as clients are to see them."""

ANSWER_BYTES = 64 * 1024
"""Of a receiver's answer: its status is all that counts."""

LONGEST_ERROR = 300
"""Characters kept of what went wrong."""

_FIXED_LINES = ("content-type: application/json", "user-agent: polyrelay-webhooks")
_SUCCESS = range(200, 300)
_REDIRECTION = range(300, 400)


class _Undeliverable(PolyrelayError):
    """No attempt can succeed."""


class Courier:
    """Carries calls out. `renders` are by the name of the surface."""

    def __init__(
        self, load: Load, renders: Mapping[str, Render], secrets: KeySecrets, outside: Outside, clock: Clock
    ) -> None:
        self._load = load
        self._renders = renders
        self._secrets = secrets
        self._outside = outside
        self._clock = clock

    async def attempt(self, delivery: Delivery, settings: WebhookSettings) -> Attempt:
        """Call once, and tell what came of it. Raises `PolyrelayError` when the job cannot be read."""
        at, started = self._clock.wall(), self._clock.monotonic()
        status, error, final = None, None, False
        try:
            status = await self._call(delivery, settings, int(at))
            error = _complaint(status)
        except _Undeliverable as reason:
            error, final = str(reason), True
        except (BadDestination, Unreachable) as reason:
            error = str(reason)
        seconds = self._clock.monotonic() - started
        return Attempt(at, round(seconds, 3), status, error and error[:LONGEST_ERROR], final)

    async def _call(self, delivery: Delivery, settings: WebhookSettings, timestamp: int) -> int:
        """The answer's status. Raises `_Undeliverable`, `BadDestination`, `Unreachable`."""
        body = await self._body(delivery)
        secret = await self._secrets.of(delivery.key)
        if secret is None:
            raise _Undeliverable("the key of the job was revoked")
        wire = Wire(settings.timeout_seconds, settings.timeout_seconds, settings.timeout_seconds, http2=False)
        lines = (*_FIXED_LINES, *signature.lines(secret, delivery.id, timestamp, body))
        errand = Errand(delivery.url, intake.rules(settings), ANSWER_BYTES, lines, body, wire)
        async with self._outside.open(errand) as answer:
            return answer.status

    async def _body(self, delivery: Delivery) -> bytes:
        found = await self._load([delivery.job])
        if not found or found[0].hidden:
            raise _Undeliverable("the job is not there any more")
        render = self._renders.get(found[0].surface)
        if render is None:
            raise _Undeliverable(f"this release cannot render jobs of {found[0].surface}")
        return render(found[0])


def _complaint(status: int) -> str | None:
    if status in _SUCCESS:
        return None
    return f"status {status}" + (": redirects are not followed" if status in _REDIRECTION else "")
