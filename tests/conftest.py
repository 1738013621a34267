"""What holds for every test."""

from hypothesis import settings

# Speed is judged in bench/: a busy machine must not fail a property.
settings.register_profile("house", deadline=None)
settings.load_profile("house")
