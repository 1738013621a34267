"""Which language a text is in, as far as its letters tell, and what languages are called."""

import re

_LETTERS = (
    ("ja", re.compile("[\u3040-\u30ff]")),
    ("ko", re.compile("[\uac00-\ud7af]")),
    ("zh", re.compile("[\u4e00-\u9fff]")),
    ("ru", re.compile("[\u0400-\u04ff]")),
)
NAMES = {
    "en": "english",
    "zh": "chinese",
    "ja": "japanese",
    "ko": "korean",
    "ru": "russian",
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "it": "italian",
    "pt": "portuguese",
}
"""The codes of ISO 639-1 that the sandbox knows, with Whisper's names for them."""
_ESPEAK = {"zh": "cmn"}


def guessed(text: str) -> str:
    """The code of the language whose letters occur in the text, English when none tells."""
    return next((code for code, letters in _LETTERS if letters.search(text)), "en")


def name(code: str) -> str:
    """Whisper's name of a language; a code that is not known stands for itself."""
    return NAMES.get(code, code)


def espeak_voice(text: str) -> str:
    """The voice of espeak-ng that can say a text."""
    code = guessed(text)
    return _ESPEAK.get(code, code)
