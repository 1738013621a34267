"""Who is let in: bearer keys, HTTP Basic, or anyone."""

import base64
import binascii

from polyrelay.sandbox.arrived import Arrived
from polyrelay.sandbox.surfaces import Guard


class Guards:
    """`keys` are the accepted keys, `basic` the accepted `user:password`; where there are none, all may enter."""

    def __init__(self, keys: frozenset[str], basic: frozenset[str]) -> None:
        self._keys = frozenset(key.encode() for key in keys)
        self._basic = frozenset(pair.encode() for pair in basic)

    def bearer(self, arrived: Arrived) -> bool:
        """Whether a request has a bearer key that is accepted."""
        if not self._keys:
            return True
        scheme, sent = _authorization(arrived)
        return scheme == b"bearer" and sent in self._keys

    def allow(self, guard: Guard, arrived: Arrived) -> bool:
        """Whether a request passes this guard."""
        match guard:
            case Guard.OPEN:
                return True
            case Guard.BEARER:
                return self.bearer(arrived)
            case Guard.API_KEY:
                return self.bearer(arrived) or arrived.header(b"x-api-key").encode("latin-1") in self._keys
            case Guard.BASIC:
                return not self._basic or self._pair(arrived) in self._basic

    def _pair(self, arrived: Arrived) -> bytes:
        scheme, sent = _authorization(arrived)
        try:
            return base64.b64decode(sent, validate=True) if scheme == b"basic" else b""
        except binascii.Error:
            return b""


def _authorization(arrived: Arrived) -> tuple[bytes, bytes]:
    sent = next((value for name, value in arrived.headers if name.lower() == b"authorization"), b"")
    scheme, _, credential = sent.partition(b" ")
    return scheme.lower(), credential.strip()
