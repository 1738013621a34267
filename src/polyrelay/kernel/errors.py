"""The one error tree. The first level says whose fault it is.

    PolyrelayError
    ├── ConfigurationError          the operator's: a file or a variable is wrong; says where
    └── Refusal                     becomes an answer to a client, in the client's own protocol
        ├── ClientFault             4xx: the caller must change something
        │   ├── InvalidRequest 400 · Unauthenticated 401 · Forbidden 403 · NotFound 404
        │   ├── MethodNotAllowed 405 · BodyTooSlow 408 · BodyTooLarge 413 · UnsupportedMedia 415
        │   ├── HeadersTooLarge 431
        │   └── RateLimited 429     curable by waiting; carries `retry_after`
        ├── RelayFault              ours
        │   └── InternalFault 500 · Overloaded 503 (curable by waiting) · Draining 503
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
        self.param = param
        self.retry_after = retry_after
        self.headers = headers


class ClientFault(Refusal):
    """The caller must change the request; sending the same again cannot help."""

    final = True


class InvalidRequest(ClientFault):
    status = 400


class Unauthenticated(ClientFault):
    status = 401
    default_code = "invalid_api_key"


class Forbidden(ClientFault):
    status = 403


class NotFound(ClientFault):
    status = 404


class MethodNotAllowed(ClientFault):
    status = 405
    default_code = "method_not_allowed"


class BodyTooSlow(ClientFault):
    status = 408
    default_code = "request_timeout"
    final = False


class BodyTooLarge(ClientFault):
    status = 413
    default_code = "request_too_large"


class UnsupportedMedia(ClientFault):
    status = 415
    default_code = "unsupported_media_type"


class HeadersTooLarge(ClientFault):
    status = 431
    default_code = "headers_too_large"


class RateLimited(ClientFault):
    status = 429
    default_code = "rate_limit_exceeded"
    final = False


class RelayFault(Refusal):
    """The relay cannot serve anyone right now, or has a defect."""


class InternalFault(RelayFault):
    status = 500
    default_code = "internal_error"


class Overloaded(RelayFault):
    status = 503
    default_code = "overloaded"


class Draining(RelayFault):
    status = 503
    default_code = "shutting_down"


class UpstreamFailure(Refusal):
    """No channel could answer. The text never carries what an upstream said."""


class UpstreamBroken(UpstreamFailure):
    status = 502
    default_code = "upstream_error"


class UpstreamBusy(UpstreamFailure):
    status = 503
    default_code = "upstream_unavailable"


class UpstreamSlow(UpstreamFailure):
    status = 504
    default_code = "upstream_timeout"
