"""The one place that names vendors."""

from polyrelay.providers.profile import Profile
from polyrelay.providers.vendors import (
    aitoearn,
    compatible,
    deepseek,
    mistral,
    openai,
    reactor,
    sandbox,
    sdwebui,
    suno_flat,
    suno_native,
    suno_task,
    whisper_asr,
)

_VENDORS = (
    openai,
    compatible,
    deepseek,
    mistral,
    aitoearn,
    suno_native,
    suno_task,
    suno_flat,
    whisper_asr,
    sdwebui,
    reactor,
    sandbox,
)

PROFILES: dict[str, Profile] = {module.PROFILE.name: module.PROFILE for module in _VENDORS}
"""Vendor profiles by the name a channel's `provider` uses."""
