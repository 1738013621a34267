"""The calls for images, each in OpenAI's contract and, `billed`, in AiToEarn's."""

from polyrelay.kernel.errors import UnsupportedMedia
from polyrelay.wire.openai_images import contract, form_request, request
from polyrelay.wire.openai_images.contract import Contract
from polyrelay.wire.openai_images.form_request import FormRequest
from polyrelay.wire.openai_images.request import ImageRequest
from polyrelay.wire.spoken import Incoming


def generation(incoming: Incoming, *, billed: bool) -> ImageRequest:
    """Images from a prompt. Raises `errors.Refusal` naming the field."""
    return request.read(incoming.body, contract.BILLED_GENERATION if billed else contract.GENERATION)


def edit(incoming: Incoming, *, billed: bool) -> ImageRequest | FormRequest:
    """Images from others, which are files of a form or named in JSON. Raises `errors.Refusal` naming the field."""
    if incoming.form is None:
        return request.read(incoming.body, contract.BILLED_REFERRING_EDIT if billed else contract.REFERRING_EDIT)
    return _form(incoming, contract.BILLED_EDIT if billed else contract.EDIT)


def variation(incoming: Incoming, *, billed: bool) -> FormRequest:
    """Images like another, which is a file of a form. Raises `errors.Refusal` naming the field."""
    return _form(incoming, contract.BILLED_VARIATION if billed else contract.VARIATION)


def _form(incoming: Incoming, keeping: Contract) -> FormRequest:
    if incoming.form is None or incoming.upload is None:
        raise UnsupportedMedia("Send the body as `content-type: multipart/form-data`.")
    return form_request.read(incoming.form, incoming.upload, keeping)
