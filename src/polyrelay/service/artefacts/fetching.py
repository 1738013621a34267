"""Fetches one thing that a job made from where its upstream says it is."""

from collections.abc import Callable
from urllib.parse import urljoin

from polyrelay.access import destinations, policy
from polyrelay.access.destinations import BadDestination, Rules
from polyrelay.jobs import artefacts
from polyrelay.jobs.artefacts import Artefact, File, Medium
from polyrelay.jobs.job import Job
from polyrelay.kernel.errors import PolyrelayError
from polyrelay.routing.channel import Channel
from polyrelay.service import outside
from polyrelay.service.artefacts import formats
from polyrelay.service.artefacts.passage import Keeps, Load
from polyrelay.service.artefacts.ports import Place
from polyrelay.service.outside import Answer, Errand, Outside, Unreachable, Wire
from polyrelay.settings.artefacts import ArtefactSettings

REDIRECTS = 3
"""Followed at most, each judged as the first address was: vendors send from their API to their storage."""

Channels = Callable[[str], Channel | None]
"""The channel of a name; None when the configuration has none such any more."""

_OK = 200
_CODINGS = frozenset({"gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd"})
"""IANA's content codings that change the bytes. Storage servers state others, `aws-chunked` for one, of plain files."""
_MOVED = frozenset({301, 302, 303, 307, 308})


class Unfit(PolyrelayError):
    """It is not to be kept, and another attempt changes nothing: too large, of no media type that is taken, gone."""


class Fetcher:
    """Fetches things into a place."""

    def __init__(self, load: Load, channels: Channels, keeps: Keeps, place: Place, client: Outside) -> None:
        self._load = load
        self._channels = channels
        self._keeps = keeps
        self._place = place
        self._outside = client

    @property
    def place(self) -> str:
        """Where to."""
        return self._place.name

    async def fetch(self, artefact: Artefact, settings: ArtefactSettings) -> File:
        """The thing, kept.

        Raises `Unfit`, `BadDestination`, `Unreachable`, `PlaceAway`, and `BankAway` when the job cannot be read.
        """
        job, medium = await self._sought(artefact)
        channel = None if job.place is None else self._channels(job.place.channel)
        errand = self._errand(job, medium, channel, settings)
        for _ in range(REDIRECTS + 1):
            async with self._outside.open(errand) as answer:
                if answer.status not in _MOVED:
                    return await self._kept(artefact, medium, answer, settings)
                errand = _onward(errand, answer, channel, settings)
        raise Unreachable(f"more than {REDIRECTS} redirects")

    async def _sought(self, artefact: Artefact) -> tuple[Job, Medium]:
        found = await self._load([artefact.job])
        made = artefacts.media(found[0].result) if found else ()
        medium = next((each for each in made if each.slot == artefact.slot), None)
        if medium is None:
            raise Unfit("the job is not there any more, or made no such thing")
        return found[0], medium

    def _errand(self, job: Job, medium: Medium, channel: Channel | None, settings: ArtefactSettings) -> Errand:
        wire = _wire(channel, settings)
        if medium.url is None:
            request = self._keeps(job)
            if request is None:
                raise Unfit("its upstream gave no address")
            return Errand(
                request.url, None, settings.largest_bytes, (*request.fixed_headers, *request.headers), None, wire
            )
        return Errand(medium.url, _rules(medium.url, channel, settings), settings.largest_bytes, wire=wire)

    async def _kept(self, artefact: Artefact, medium: Medium, answer: Answer, settings: ArtefactSettings) -> File:
        if answer.status != _OK:
            raise Unreachable(f"status {answer.status}")
        media_type = formats.accepted(outside.header(answer.headers, b"content-type"), medium.url, medium.sort)
        if media_type is None:
            raise Unfit(f"it is {outside.header(answer.headers, b'content-type')[:80]!r}, which is not kept")
        coding = outside.header(answer.headers, b"content-encoding").strip().lower()
        if coding in _CODINGS:
            raise Unfit(f"it comes as {coding[:80]!r}, which was not asked for")
        announced = outside.header(answer.headers, b"content-length")
        if announced.isdigit() and int(announced) > settings.largest_bytes:
            raise Unfit(f"it has {announced} bytes, more than largest_bytes")
        async with self._place.draft(artefact.job) as draft:
            size = 0
            async for piece in answer:
                await draft.write(piece)
                size += len(piece)
            if not size:
                raise Unreachable("an empty answer")
            size, digest = await draft.keep()
        return File(f"{artefact.slot}.{formats.EXTENSIONS[media_type]}", size, media_type, digest)


def rules_of(settings: ArtefactSettings) -> Rules:
    """Where upstreams' addresses may lead."""
    networks = policy.parse_networks(settings.allowed_networks)
    return Rules(settings.allow_http, settings.allowed_ports, networks)


def _wire(channel: Channel | None, settings: ArtefactSettings) -> Wire:
    """Reached as the channel's upstream is: whoever needs a proxy for one needs it for the other."""
    if channel is None:
        return Wire(total=settings.timeout_seconds)
    limits = channel.timeouts
    return Wire(
        limits.connect, limits.idle, settings.timeout_seconds, channel.proxy, channel.ca_file, http2=channel.http2
    )


def _rules(url: str, channel: Channel | None, settings: ArtefactSettings) -> Rules | None:
    """What `url` is judged by; None for the channel's own address, which the operator chose."""
    return None if channel is not None and _is_own(url, channel) else rules_of(settings)


def _is_own(url: str, channel: Channel) -> bool:
    """Whether `url` is at the channel's own address."""
    try:
        return destinations.read(url).origin == destinations.read(channel.base_url).origin
    except BadDestination:
        return False


def _onward(errand: Errand, answer: Answer, channel: Channel | None, settings: ArtefactSettings) -> Errand:
    """Where a redirect leads: judged, and told nothing of what its server was told. Raises `Unreachable`."""
    location = outside.header(answer.headers, b"location")
    if not location:
        raise Unreachable("a redirect that leads nowhere")
    try:
        url = urljoin(errand.url, location)
    except ValueError:
        raise Unreachable("a redirect that leads nowhere") from None
    return Errand(url, _rules(url, channel, settings), errand.most, wire=errand.wire)
