"""OpenAI's transcription as other protocols put their requests to it."""

from polyrelay.exchange import languages
from polyrelay.exchange.transcript import Transcript, Wish
from polyrelay.wire import openai_errors, samples, transcripts
from polyrelay.wire.hearing import Asked
from polyrelay.wire.multipart.form import Form, Part

_FILE = "file"
_WHISPER = "whisper"
"""Models of this family know `verbose_json`, whatever vendor calls them so; others may know `json` alone."""


class AudioHearing:
    """Implements `hearing.Hearing`."""

    def asked(self, wish: Wish, form: Form, file: Part, model: str, *, bare: bool = False) -> Asked:
        """The file and the fields that say the same. Phrases come in `verbose_json` alone, samples go in a WAV file."""
        verbose = wish.segments or wish.words or _WHISPER in model.lower()
        fields = [("model", model), ("response_format", "verbose_json" if verbose else "json")]
        if wish.prompt is not None:
            fields.append(("prompt", wish.prompt))
        if wish.language is not None and not wish.translate:
            fields.append(("language", languages.code(wish.language)))
        if wish.words and not wish.translate:
            fields += [("timestamp_granularities[]", each) for each in ("word", "segment")]
        body = form.edit(
            drop={part.name for part in form.parts} - {file.name},
            rename={} if file.name == _FILE else {file.name: _FILE},
            recast={file.name: samples.in_wav(file, _FILE)} if bare else {},
            add=[(name, value.encode()) for name, value in fields],
        )
        return Asked(body)

    def heard(self, body: bytes) -> Transcript | None:
        """Any of the formats in JSON."""
        return transcripts.read(body)

    def words(self, body: bytes) -> str | None:
        """The message of the error."""
        return openai_errors.words(body)


HEARING = AudioHearing()
