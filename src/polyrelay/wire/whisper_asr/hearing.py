"""The service as other protocols put their requests to it: always in JSON, from which any format can be made."""

from urllib.parse import urlencode

from polyrelay.exchange import languages
from polyrelay.exchange.transcript import Transcript, Wish
from polyrelay.exchange.upload import Segment
from polyrelay.wire import transcripts
from polyrelay.wire.hearing import Asked
from polyrelay.wire.multipart.form import Form, Part
from polyrelay.wire.whisper_asr import detail

FILE = "audio_file"

PROMPT_CHARACTERS = 2_000
"""Whisper looks at the last 224 tokens of a prompt; a longer query than needed may be refused for its length."""


class ServiceHearing:
    """Implements `hearing.Hearing`."""

    def asked(self, wish: Wish, form: Form, file: Part, model: str, *, bare: bool = False) -> Asked:
        """The file alone, and the rest as a query. The service has one model, and no name for it."""
        del model
        query = {
            "output": "json",
            "task": "translate" if wish.translate else "transcribe",
            "encode": "false" if bare else "true",
            "language": None if wish.language is None else languages.code(wish.language),
            "initial_prompt": None if wish.prompt is None else wish.prompt[-PROMPT_CHARACTERS:],
            "word_timestamps": "true" if wish.words else None,
        }
        return Asked(
            only(form, file.name), urlencode({name: value for name, value in query.items() if value is not None})
        )

    def heard(self, body: bytes) -> Transcript | None:
        """The JSON of any of its engines."""
        return transcripts.read(body)

    def words(self, body: bytes) -> str | None:
        """FastAPI's, in one text."""
        return detail.words(body)


def only(form: Form, file: str) -> list[Segment]:
    """A form with that file alone, under the service's name for it."""
    others = {part.name for part in form.parts} - {file}
    return form.edit(drop=others, rename={} if file == FILE else {file: FILE})


HEARING = ServiceHearing()
