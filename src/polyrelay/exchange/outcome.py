"""How an exchange ended, as told to the client and to the books (invariant M5)."""

from enum import Enum


class Outcome(Enum):
    """One of these, exactly once per exchange."""

    COMPLETE = "complete"
    """The upstream's own terminator, or the last byte of a unary answer, was passed on."""
    TRUNCATED = "truncated"
    """Bytes had been delivered when the upstream broke off; the client was told in-band."""
    UPSTREAM_ERROR = "upstream_error"
    """The upstream itself said error, before or after commit, and the client got that or ours."""
    CLIENT_GONE = "client_gone"
    """The client left first; the upstream was cancelled."""
    REFUSED = "refused"
    """We said no, and nothing was delivered: before an upstream was asked, or because the relay itself had to stop."""
