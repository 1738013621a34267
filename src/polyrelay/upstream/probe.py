"""Asks an upstream for a list once, the way requests will reach it: same proxy, same trust. For `doctor`."""

from dataclasses import dataclass

import pycurl

from polyrelay.providers.outbound import OutboundRequest
from polyrelay.upstream import options

PROBE_SECONDS = 15
"""A reachable vendor lists its models within a second or two."""


@dataclass(frozen=True, slots=True)
class Probe:
    """`status` is the HTTP status, None when there was no answer; `detail` libcurl's words; `seconds` it took."""

    status: int | None
    detail: str
    seconds: float


def probe(request: OutboundRequest) -> Probe:
    """Make the GET. Blocks; never raises for what the network does."""
    curl = pycurl.Curl()
    try:
        options.configure(curl, request.channel)
        curl.setopt(pycurl.URL, request.url)
        curl.setopt(pycurl.HTTPHEADER, list(request.fixed_headers))
        curl.setopt(pycurl.TIMEOUT, PROBE_SECONDS)
        curl.setopt(pycurl.WRITEFUNCTION, len)
        curl.perform()
    except (pycurl.error, ValueError) as error:
        return Probe(None, str(error.args[-1]), curl.getinfo(pycurl.TOTAL_TIME))
    else:
        return Probe(curl.getinfo(pycurl.RESPONSE_CODE), "", curl.getinfo(pycurl.TOTAL_TIME))
    finally:
        curl.close()
