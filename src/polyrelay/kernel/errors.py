"""The one error tree. The first level says whose fault it is.

    PolyrelayError
    ├── ConfigurationError          the operator's: a file or a variable is wrong; says where
    └── Refusal                     becomes an answer to a client, in the client's own protocol
        ├── ClientFault             4xx: the caller must change something
        │   ├── InvalidRequest 400 · Unauthenticated 401 · Forbidden 403 · NotFound 404
        │   ├── MethodNotAllowed 405 · BodyTooSlow 408 · BodyTooLarge 413 · UnsupportedMedia 415 (CodedBody)
        │   ├── HeadersTooLarge 431
        │   ├── NotPriced 400 · InsufficientQuota 429
        │   └── RateLimited 429     curable by waiting; carries `retry_after`
        │       └── FundsInFlight 429
        ├── RelayFault              ours
        │   └── InternalFault 500 · Overloaded 503 (curable by waiting) · Draining 503 · BooksAway 503
        └── UpstreamFailure         every channel that may serve the model failed before commit
            └── UpstreamBroken 502 · UpstreamBusy 503 · UpstreamSlow 504

A refusal says nothing about the inside of the relay: no upstream key, URL or address.
"""

from typing import ClassVar


class PolyrelayError(Exception):
    """Root of everything polyrelay raises on purpose."""


class ConfigurationError(PolyrelayError):
    """The operator's configuration is wrong. The message names the file, line and key, and what is allowed."""


class Refusal(PolyrelayError):
    """A request that will not be served, with all that a protocol needs to say so.

    `status` is the HTTP status, `code` a stable machine word, `param` the offending field (dotted, or None),
    `retry_after` seconds until a retry can succeed (None when waiting does not help or is unknown),
    `final` whether a retry of the same request cannot cure it (sent as `x-should-retry: false`),
    `headers` extra answer headers, lower-case names.
    """

    status: ClassVar[int] = 500
    default_code: ClassVar[str | None] = None
    default_param: ClassVar[str | None] = None
    final: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code if code is not None else self.default_code
        self.param = param if param is not None else self.default_param
        self.retry_after = retry_after
        self.headers = headers


class ClientFault(Refusal):
    """The caller must change the request; sending the same again cannot help."""

    final = True


class InvalidRequest(ClientFault):
    """The body or a field is wrong; `param` names it."""

    status = 400


class Unauthenticated(ClientFault):
    """No key, or one that is unknown, disabled or expired."""

    status = 401
    default_code = "invalid_api_key"


class Forbidden(ClientFault):
    """The key is known and may not do this."""

    status = 403


class NotFound(ClientFault):
    """No such route or model."""

    status = 404


class NotPriced(ClientFault):
    """The model has no price, so nobody may use it until the operator sets one: another model can be asked for."""

    status = 400
    default_code = "model_not_priced"
    default_param = "model"


class MethodNotAllowed(ClientFault):
    """The route exists for another method."""

    status = 405
    default_code = "method_not_allowed"


class BodyTooSlow(ClientFault):
    """Headers or body did not arrive in time."""

    status = 408
    default_code = "request_timeout"
    final = False


class BodyTooLarge(ClientFault):
    """The body is larger than the relay accepts."""

    status = 413
    default_code = "request_too_large"


class UnsupportedMedia(ClientFault):
    """The body is of a kind that the route does not take."""

    status = 415
    default_code = "unsupported_media_type"


class CodedBody(UnsupportedMedia):
    """The body is of a kind that it may be, but compressed."""


class HeadersTooLarge(ClientFault):
    """Request line and headers are larger than the relay accepts."""

    status = 431
    default_code = "headers_too_large"


class RateLimited(ClientFault):
    """A limit is used up for now; waiting cures it."""

    status = 429
    default_code = "rate_limit_exceeded"
    final = False


class FundsInFlight(RateLimited):
    """The funds are held by requests in flight; what they leave over can be spent. The message names the meter."""

    default_code = "funds_in_flight"


class InsufficientQuota(ClientFault):
    """A meter is exhausted: only a top-up, a higher budget or its next period helps. The message names the meter."""

    status = 429
    default_code = "insufficient_quota"


class RelayFault(Refusal):
    """The relay cannot serve anyone right now, or has a defect."""


class InternalFault(RelayFault):
    """A defect of the relay."""

    status = 500
    default_code = "internal_error"


class Overloaded(RelayFault):
    """A bound of the whole process is reached."""

    status = 503
    default_code = "overloaded"


class Draining(RelayFault):
    """The process is shutting down."""

    status = 503
    default_code = "shutting_down"


class BooksAway(RelayFault):
    """What is spent cannot be written down just now, so nothing may be spent."""

    status = 503
    default_code = "ledger_unavailable"


class UpstreamFailure(Refusal):
    """No channel could answer. The text never carries what an upstream said."""


class UpstreamBroken(UpstreamFailure):
    """The vendor could not be reached or answered badly."""

    status = 502
    default_code = "upstream_error"


class ContentGone(UpstreamBroken):
    """The vendor has thrown away what it made."""

    final = True
    default_code = "content_gone"


class UpstreamBusy(UpstreamFailure):
    """The vendor says it is overloaded."""

    status = 503
    default_code = "upstream_unavailable"


class UpstreamSlow(UpstreamFailure):
    """The vendor did not answer in time."""

    status = 504
    default_code = "upstream_timeout"
