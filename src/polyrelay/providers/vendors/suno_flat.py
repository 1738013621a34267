"""A server of the `/api/generate` family (WIRE 2.2), such as gcui's."""

from polyrelay.providers.profile import NOTHING, Profile

PROFILE = Profile(
    name="suno_flat", title="Suno, flat", paths=NOTHING, dialect="suno_flat", keyless=True, probe="/api/get_limit"
)
