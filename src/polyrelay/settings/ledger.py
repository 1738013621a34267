"""How the books are kept."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LedgerSettings:
    """Journal, leases and records. What a process was given it keeps until it ends; a crash loses nothing."""

    fsync: str = "interval"
    """What the journal survives beside `kill -9`: `off` no power cut, `interval` one but for the last moments, `always`
    any (an answer's last bytes wait for the disk, some milliseconds)."""
    fsync_interval_seconds: float = 1.0
    """With `interval`, the most that a power cut may cost."""
    lease_seconds: float = 60.0
    """How long a worker may spend what it has set apart without reaching the database; also how long a worker that is
    lost with its machine keeps funds from others."""
    retention_days: int = 0
    """Delete the records of single exchanges, and of jobs that are over, after so many days; sums by hour and transfers
    stay. 0 keeps all."""
