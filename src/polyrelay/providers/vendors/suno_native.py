"""A server that speaks Suno's studio API (WIRE 2.1) with a key of its own: another relay, a vendor of songs."""

from polyrelay.providers.profile import NOTHING, Profile

PROFILE = Profile(
    name="suno_native", title="Suno, studio API", paths=NOTHING, dialect="suno_native", probe="/api/feed/?ids=none"
)
