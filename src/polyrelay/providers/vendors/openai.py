"""OpenAI itself. Its reasoning models refuse `max_tokens`; all its chat models take `max_completion_tokens`."""

from polyrelay.providers.profile import OPENAI, Profile

PROFILE = Profile(
    name="openai", title="OpenAI", paths=OPENAI, dialect="openai_videos", cap_field="max_completion_tokens"
)
