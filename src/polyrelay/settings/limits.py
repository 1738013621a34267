"""Limits by model and customer group, as an operator writes them down."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class LimitSettings:
    """One rule: limits on the requests it fits. Every rule that fits a request counts it, beside the limits of its key,
    project and account. 0 means unlimited; a rule limits something.

    Limits are counted in memory: a restart forgets what was used. Of `--workers N`, each enforces its share of every
    limit, this table's and the others'; the shares add up to the limit. Set limits well above the number of workers,
    and `tokens_per_minute` above that many times the largest request: a worker with no share left to give refuses.
    """

    model: str | None = None
    """Glob such as `gpt-4*`; each model it fits is counted by itself. Absent: whatever the model."""
    group: str | None = None
    """Customer group. Absent: customers of every group."""
    each: str | None = None
    """`account` or `key`: each one has the limits for itself. Absent: all whom the rule fits share them."""
    requests_per_minute: int = 0
    """Requests in any 60 seconds."""
    requests_per_day: int = 0
    """Requests in any 24 hours, forgotten in steps of 10 minutes."""
    tokens_per_minute: int = 0
    """Input and output tokens in any 60 seconds, reserved by estimate and corrected by real usage."""
    concurrency: int = 0
    """Requests open at once."""
