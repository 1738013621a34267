"""How long jobs are handled: songs, lyrics, videos."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class JobSettings:
    """Pace, patience and number. What a job costs is held in the database until it ends, and refunded if it fails."""

    pace_seconds: float = 5.0
    """Between two questions to an upstream how a job is; a channel may have its own `poll_seconds`. What Suno's own
    clients do."""
    jitter: float = 0.2
    """Part of the pace by which questions are moved about, so that they do not come in bursts. 0 turns it off."""
    submit_seconds: float = 120.0
    """How long a client may wait for some upstream to take its job on, all attempts together."""
    music_max_age_seconds: float = 1800.0
    """A song, or a concatenation of one, that is not done then is given up and refunded. They take some minutes."""
    lyrics_max_age_seconds: float = 600.0
    """The same for lyrics, which take seconds."""
    video_max_age_seconds: float = 7200.0
    """The same for a video: vendors have queues of an hour and more."""
    lost_seconds: float = 300.0
    """A job that its upstream does not know for so long is given up and refunded. New ones are often unknown at first.
    """
    late_watch_seconds: float = 3600.0
    """How long a job that was given up is watched on, to record that its upstream finished it, and may bill for it,
    after all; the client was refunded and gets nothing. 0 turns it off."""
    most_in_flight: int = 200
    """Open jobs of one account; more are refused for a while. 0 means unlimited."""
