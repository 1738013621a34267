"""What both surfaces of videos need."""

from polyrelay.exchange.call import Demand
from polyrelay.exchange.video import VideoAsk
from polyrelay.jobs.job import Kind

VIDEOS = (Kind.VIDEO,)

UNNAMED_SECONDS = 12
"""Length that funds are held for when a request names none: the longest that OpenAI's videos may have (WIRE 4.3)."""


def demand(ask: VideoAsk) -> Demand:
    """What a video may use at most."""
    return Demand(seconds=UNNAMED_SECONDS if ask.seconds is None else ask.seconds, tasks=1)
