"""The one place that names vendors."""

from polyrelay.providers.profile import Profile
from polyrelay.providers.vendors import compatible, deepseek, mistral, openai, sandbox, whisper_asr

PROFILES: dict[str, Profile] = {
    module.PROFILE.name: module.PROFILE for module in (openai, compatible, deepseek, mistral, whisper_asr, sandbox)
}
"""Vendor profiles by the name a channel's `provider` uses."""
