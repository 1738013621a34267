"""whisper-asr-webservice. It has one model, whatever that is called, and asks for no key.

It listens to one recording at a time, behind a lock, and to its end also when nobody waits any more.
"""

from types import MappingProxyType

from polyrelay.exchange.operation import Operation
from polyrelay.providers.profile import Profile
from polyrelay.settings.timeouts import Timeouts

PROFILE = Profile(
    name="whisper_asr",
    title="whisper-asr-webservice",
    paths=MappingProxyType({Operation.ASR: "/asr", Operation.DETECT_LANGUAGE: "/detect-language"}),
    auth="none",
    keyless=True,
    timeouts=Timeouts(first_byte=1200.0, total=1500.0),
    concurrency=1,
    drains=True,
    probe="/openapi.json",
)
