"""whisper-asr-webservice. It has one model, whatever that is called, and asks for no key."""

from types import MappingProxyType

from polyrelay.exchange.operation import Operation
from polyrelay.providers.profile import Profile

PROFILE = Profile(
    name="whisper_asr",
    title="whisper-asr-webservice",
    paths=MappingProxyType({Operation.ASR: "/asr", Operation.DETECT_LANGUAGE: "/detect-language"}),
    auth="none",
)
