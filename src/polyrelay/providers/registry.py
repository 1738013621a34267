"""The one place that names vendors."""

from polyrelay.providers.profile import Profile
from polyrelay.providers.vendors import compatible, deepseek, mistral, openai, reactor, sandbox, sdwebui

PROFILES: dict[str, Profile] = {
    module.PROFILE.name: module.PROFILE for module in (openai, compatible, deepseek, mistral, sdwebui, reactor, sandbox)
}
"""Vendor profiles by the name a channel's `provider` uses."""
