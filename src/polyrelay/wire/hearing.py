"""A protocol of transcription as others see it: what they ask of its upstreams, and how they understand the answer."""

from typing import Protocol

import msgspec

from polyrelay.exchange.transcript import Transcript, Wish
from polyrelay.exchange.upload import Segment
from polyrelay.wire.multipart.form import Form, Part


class Asked(msgspec.Struct, frozen=True, gc=False):
    """A body in the form's own content type, and a query."""

    body: list[Segment]
    query: str = ""


class Hearing(Protocol):
    """One such protocol."""

    def asked(self, wish: Wish, form: Form, file: Part, model: str, *, bare: bool = False) -> Asked:
        """How the recording in the part `file` of a form is sent to an upstream that knows the model as `model`; `bare`
        samples (`samples`) or a file.
        """
        ...

    def heard(self, body: bytes) -> Transcript | None:
        """What such an upstream answered; None when it is not what the protocol says. Never raises."""
        ...

    def words(self, body: bytes) -> str | None:
        """Why such an upstream refuses, in its words; None when it does not say so as the protocol has it. Never
        raises.
        """
        ...
