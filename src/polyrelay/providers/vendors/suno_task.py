"""A server that takes songs on as tasks (WIRE 2.3): Suno-API, new-api and their like."""

from polyrelay.providers.profile import NOTHING, Profile

PROFILE = Profile(name="suno_task", title="Suno, tasks", paths=NOTHING, dialect="suno_task", probe="/suno/fetch/none")
