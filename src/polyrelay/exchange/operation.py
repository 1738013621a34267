"""What can be asked of an upstream, whatever the protocol it is asked in."""

from enum import StrEnum


class Operation(StrEnum):
    """One kind of call, by the name of the path it has at the vendor who made it first."""

    CHAT = "chat"
    IMAGE = "images.generations"
    IMAGE_EDIT = "images.edits"
    IMAGE_VARIATION = "images.variations"
    SPEECH = "audio.speech"
    TRANSCRIPTION = "audio.transcriptions"
    TRANSLATION = "audio.translations"
    ASR = "asr"
    DETECT_LANGUAGE = "detect-language"
    TXT2IMG = "txt2img"
    IMG2IMG = "img2img"
    REACTOR = "reactor"
    JOB = "job"
    """Anything that is answered later; which job, the dialect of the provider decides."""
