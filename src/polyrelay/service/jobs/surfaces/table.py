"""Every surface of jobs, and the one way through them."""

import logging
from collections.abc import Iterator, Sequence

import msgspec

from polyrelay.kernel import errors
from polyrelay.kernel.errors import Refusal
from polyrelay.service.answers import Headers
from polyrelay.service.artefacts.gallery import Lent
from polyrelay.service.download import Streamed
from polyrelay.service.jobs.surfaces import visit as visits
from polyrelay.service.jobs.surfaces.reception import Reception
from polyrelay.service.jobs.surfaces.visit import Given, Surface, Visit
from polyrelay.service.ports import HeaderList

logger = logging.getLogger(__name__)

Answered = tuple[int, Headers, bytes]


class JobSurfaces:
    """Implements the HTTP side's port `Jobs`."""

    def __init__(self, reception: Reception, surfaces: Sequence[Surface]) -> None:
        self._reception = reception
        self._surfaces = [(prefix, surface) for surface in surfaces for prefix in surface.prefixes]

    def serves(self, path: str) -> bool:
        """Whether `path` is below one of the prefixes, or is one."""
        return next(self._below(path), None) is not None

    async def answer(
        self, method: str, path: str, query: bytes, headers: HeaderList, body: bytes, peer: str
    ) -> Answered | Streamed | Lent:
        """The answer to a request to a path that is served. Never raises."""
        found = self._find(path)
        if found is None:
            raise ValueError(f"{path} is not served")
        surface, rest = found
        head = dict(headers)
        visit = Visit(method, path, query, head, body, peer, self._reception.slip(head))
        answer = await self._answered(surface, visit, rest)
        identity = [*visit.notes, *self._reception.identity(visit)]
        if isinstance(answer, Streamed | Lent):
            return msgspec.structs.replace(answer, headers=[*answer.headers, *identity])
        status, lines, content = answer
        return status, [*lines, *identity], content

    async def _answered(self, surface: Surface, visit: Visit, rest: str) -> Given:
        try:
            route, names = visits.find(surface, visit.method, rest)
            holder = self._reception.principal(visit, surface.key_header)
            return await route.handle(msgspec.structs.replace(visit, names=names), holder)
        except Refusal as refusal:
            return surface.refuse(refusal, visit)
        except Exception:  # border: a defect costs one request, in its surface's words
            logger.exception("request %s to %s failed inside the relay", visit.slip.exchange, visit.path)
            return surface.refuse(errors.InternalFault("The relay failed to serve this request."), visit)

    def _find(self, path: str) -> tuple[Surface, str] | None:
        """The surface of `path`, and what follows the prefix: of several below one prefix the one that has a route for
        it, else the first.
        """
        below = list(self._below(path))
        return next((found for found in below if visits.knows(*found)), below[0] if below else None)

    def _below(self, path: str) -> Iterator[tuple[Surface, str]]:
        for prefix, surface in self._surfaces:
            rest = path.removeprefix(prefix)
            if rest != path and (not rest or rest.startswith("/")):
                yield surface, rest
