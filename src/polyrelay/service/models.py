"""What a key may use: `GET /v1/models`."""

from polyrelay.access import policy
from polyrelay.service import admit
from polyrelay.service.ports import HeaderList
from polyrelay.service.relay import model_not_found
from polyrelay.service.world import Snapshot, World


def visible(world: World, snapshot: Snapshot, headers: HeaderList, peer: str) -> tuple[str, ...]:
    """Names of the models the caller may use, sorted. Raises `errors.Refusal` for a caller who may not call at all."""
    holder = admit.principal(headers, peer, keys=world.keys, now=world.clock.wall())
    return tuple(model for model in snapshot.catalog.models if policy.may_use(holder, model))


def find(world: World, snapshot: Snapshot, headers: HeaderList, peer: str, model: str) -> str:
    """`model`, if the caller may use it. Raises `errors.NotFound` otherwise."""
    if model not in visible(world, snapshot, headers, peer):
        raise model_not_found(model)
    return model

