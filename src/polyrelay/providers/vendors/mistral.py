"""Mistral. Refuses fields it does not know with 422, `stream_options` among them; its last chunk carries usage."""

from polyrelay.providers.profile import Profile

PROFILE = Profile(name="mistral", title="Mistral", takes_stream_options=False)
