"""What a key may use: `GET /v1/models`, in OpenAI's shape."""

from polyrelay.access import policy
from polyrelay.kernel import errors
from polyrelay.service import admit
from polyrelay.service.answers import Headers
from polyrelay.service.ports import HeaderList
from polyrelay.service.relay import Relay, model_not_found
from polyrelay.wire import openai_errors as wire_errors

Answered = tuple[int, Headers, bytes]
"""Status, headers and body of a whole answer."""

OWNER = "polyrelay"
"""`owned_by` of every model: which vendor serves it is the operator's business."""

_JSON = (b"content-type", b"application/json")


class ModelDirectory:
    """Implements the HTTP side's port `Directory` over the configuration in force."""

    def __init__(self, relay: Relay) -> None:
        self._relay = relay
        self._created = int(relay.world.clock.wall())

    def identify(self, headers: HeaderList) -> Headers:
        """`x-request-id` and `openai-processing-ms` of an answer to a request with these headers."""
        return self._relay.identify(dict(headers))

    def models(self, headers: HeaderList, peer: str) -> Answered:
        """The models the caller may use, or a refusal."""
        try:
            body = wire_errors.models_list(self._visible(headers, peer), created=self._created, owned_by=OWNER)
        except errors.Refusal as refusal:
            return _refused(refusal)
        return 200, [_JSON], body

    def model(self, name: str, headers: HeaderList, peer: str) -> Answered:
        """One of them, or a refusal."""
        try:
            if name not in self._visible(headers, peer):
                raise model_not_found(name)
        except errors.Refusal as refusal:
            return _refused(refusal)
        body = wire_errors.model(name, created=self._created, owned_by=OWNER)
        return 200, [_JSON], body

    def _visible(self, headers: HeaderList, peer: str) -> tuple[str, ...]:
        world = self._relay.world
        holder = admit.principal(dict(headers), peer, keys=world.keys, now=world.clock.wall())
        return tuple(model for model in self._relay.snapshot.catalog.models if policy.may_use(holder, model))


def _refused(refusal: errors.Refusal) -> Answered:
    status, headers, body = wire_errors.render(refusal)
    return status, list(headers), body
