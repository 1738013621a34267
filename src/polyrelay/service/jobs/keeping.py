"""What upstreams keep of the jobs they did: fetched and thrown away by the credential that made it."""

import logging
from collections.abc import Callable, Collection, Mapping

import msgspec

from polyrelay.exchange.faults import Fault, FaultKind
from polyrelay.exchange.job import Upstreamed
from polyrelay.jobs.job import Job
from polyrelay.kernel import bounds, errors
from polyrelay.providers import outbound
from polyrelay.providers.outbound import OutboundRequest
from polyrelay.routing.channel import Candidate
from polyrelay.service import verdict, whole
from polyrelay.service.artefacts import formats
from polyrelay.service.bank import BankAway
from polyrelay.service.download import Download, DownloadFailed, Streamed
from polyrelay.service.jobs.works import Works
from polyrelay.service.ports import Head
from polyrelay.service.treasury import books_away
from polyrelay.wire.dialect import Keeper, Message

logger = logging.getLogger(__name__)

DELETE_SECONDS = 20.0
"""How long an upstream may take to throw something away; its client does not wait for more."""

_WHOLE, _PART, _BEHIND_THE_END = 200, 206, 416
_GONE = (404, 410)
_OF_PARTS = frozenset({b"content-range", b"accept-ranges"})
_PASSED = _OF_PARTS | {b"content-type", b"content-length", b"content-disposition", b"etag", b"last-modified"}


class Keeping:
    """`keepers` are by the name of the provider that is spoken to in that dialect."""

    def __init__(self, works: Works, keepers: Mapping[str, Keeper]) -> None:
        self._works = works
        self._keepers = keepers

    async def content(self, job: Job, variant: str, head: Head) -> Streamed | None:
        """What its upstream keeps of it, or the part that a client wants whose headers are `head`; None when it keeps
        nothing, or is not configured any more. Raises `errors.UpstreamFailure` when it does not hand it out.
        """
        request = self.request(job, variant)
        if request is None:
            return None
        part = outbound.ranged(head)
        download = Download(self._works.upstream, msgspec.structs.replace(request, headers=part))
        try:
            await download.begun()
            expected = (_WHOLE, _PART, _BEHIND_THE_END) if part else (_WHOLE,)
            return await _streamed(download, expected, self._works.clock.wall())
        except DownloadFailed as error:
            download.close()
            raise verdict.failed(error.fault, error.fault.retry_after) from error
        except BaseException:
            download.close()
            raise

    def request(self, job: Job, variant: str = "video") -> OutboundRequest | None:
        """The request for what its upstream keeps of it; None as for `content`."""
        return self._request(job, lambda keeper, upstreamed: keeper.content(upstreamed, variant))

    async def forget(self, job: Job) -> None:
        """Show it no more, and let its upstream throw it away. Raises `errors.BooksAway`."""
        try:
            await self._works.store.hide(job.id)
        except BankAway as error:
            raise books_away() from error
        request = self._request(job, lambda keeper, upstreamed: keeper.delete(upstreamed))
        if request is None:
            return
        works = self._works
        said = await whole.fetch(works.upstream, works.timers, request, bounds.JOB_ANSWER_BYTES, DELETE_SECONDS)
        if isinstance(said, Fault):
            logger.warning("what job %s made could not be deleted at its upstream: %s", job.id, said.kind.value)

    def _request(self, job: Job, message: Callable[[Keeper, Upstreamed], Message]) -> OutboundRequest | None:
        candidate = self._candidate(job)
        if candidate is None or job.upstreamed is None:
            return None
        keeper = self._keepers.get(candidate.channel.provider)
        return None if keeper is None else self._works.request(candidate, message(keeper, job.upstreamed))

    def _candidate(self, job: Job) -> Candidate | None:
        if job.place is None:
            return None
        return self._works.catalog().find(job.place.channel, job.place.credential)


async def _streamed(download: Download, expected: Collection[int], now: float) -> Streamed:
    """`now` is Unix seconds. Raises `errors.UpstreamFailure` for another status than those, and `DownloadFailed`."""
    status = download.status
    if status in _GONE:
        raise errors.ContentGone("The upstream provider does not have this any more.")
    if status not in expected:
        asked = verdict.retry_after(download.headers, now)
        raise DownloadFailed(Fault(FaultKind.STATUS, status=status, retry_after=asked))
    headers = [pair for pair in download.headers if pair[0] in _PASSED]
    if status != _BEHIND_THE_END:
        headers.append((b"x-content-type-options", b"nosniff"))
        await _check(download)
        return Streamed(status, headers, download.piece, download.close)
    download.close()
    kept = [pair for pair in headers if pair[0] in _OF_PARTS]
    return Streamed(status, [*kept, (b"content-length", b"0")], _nothing, download.close)


async def _check(download: Download) -> None:
    """Raises `DownloadFailed` for what is no film: a page about an error, or nothing."""
    kind = dict(download.headers).get(b"content-type", b"").decode("latin-1")
    if not formats.may_be_media(kind):
        raise DownloadFailed(Fault(FaultKind.GARBLED, "not a film", download.status))
    if not await download.more():
        raise DownloadFailed(Fault(FaultKind.EMPTY, "an empty film", download.status))


async def _nothing() -> bytes:
    """What is behind the end."""
    return b""
