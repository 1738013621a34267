"""The sandbox that ships with polyrelay: for trials and tests, never for customers."""

from polyrelay.providers.profile import OPENAI, Profile

PROFILE = Profile(name="sandbox", title="polyrelay sandbox", paths=OPENAI, dialect="openai_videos")
