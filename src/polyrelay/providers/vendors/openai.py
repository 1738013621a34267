"""OpenAI itself."""

from polyrelay.providers.profile import Profile

PROFILE = Profile(name="openai", title="OpenAI")
