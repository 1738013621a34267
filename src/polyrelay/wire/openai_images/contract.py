"""The calls for images, and what a form that keeps one of their contracts means to the relay."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from polyrelay.exchange import guess
from polyrelay.exchange.call import BillingGroup, Call, Demand, References
from polyrelay.exchange.operation import Operation
from polyrelay.wire import forms
from polyrelay.wire.openai_images import schema, usage
from polyrelay.wire.openai_images.schema import ImageForm
from polyrelay.wire.openai_images.usage import Asked

DEFAULT_SOURCE = "ai_image"
"""AiToEarn's consumption source when a request names none (WIRE 1.2)."""

_DALL_E = "dall-e-2"
_GPT_IMAGE = "gpt-image-1.5"
"""What is meant where no model is named (openai_images.json)."""


class Contract:
    """One call in one of its two flavours. `default_model` is meant where a form names none, None where it has to."""

    def __init__(self, operation: Operation, kind: type[ImageForm], default_model: str | None = None) -> None:
        self.operation = operation
        self.kind = kind
        self.default_model = default_model
        self.fields = frozenset(kind.__struct_encode_fields__)
        """Top-level names the contract knows."""
        self.lookalikes: Mapping[str, str] = MappingProxyType({name.casefold(): name for name in self.fields})
        self.decoder = msgspec.json.Decoder(kind)

    @property
    def billed(self) -> bool:
        """Whether `source` is the relay's own (AiToEarn's surfaces)."""
        return "source" in self.fields

    def understood(self, form: ImageForm, size: int, references: References) -> tuple[Call, Asked]:
        """What `form` asks for, in a body of `size` bytes with these `references`. Raises `errors.InvalidRequest`."""
        model = form.model or self.default_model
        if model is None:
            raise forms.missing("model")
        asked = usage.asked(form.n, form.size, form.quality, guess.tokens(size - references.inline_bytes))
        billing = BillingGroup(source=getattr(form, "source", None) or DEFAULT_SOURCE) if self.billed else None
        call = Call(
            model=model,
            stream=form.stream is True,
            input_bytes=size,
            choices=asked.count,
            billing=billing,
            references=references,
            demand=Demand(images=asked.images),
            capped=False,
        )
        return call, asked


GENERATION = Contract(Operation.IMAGE, schema.Generation, _DALL_E)
BILLED_GENERATION = Contract(Operation.IMAGE, schema.BilledGeneration)
EDIT = Contract(Operation.IMAGE_EDIT, schema.Edit, _GPT_IMAGE)
BILLED_EDIT = Contract(Operation.IMAGE_EDIT, schema.BilledEdit)
REFERRING_EDIT = Contract(Operation.IMAGE_EDIT, schema.ReferringEdit, _GPT_IMAGE)
BILLED_REFERRING_EDIT = Contract(Operation.IMAGE_EDIT, schema.BilledReferringEdit)
VARIATION = Contract(Operation.IMAGE_VARIATION, schema.Variation, _DALL_E)
BILLED_VARIATION = Contract(Operation.IMAGE_VARIATION, schema.BilledVariation, _DALL_E)
