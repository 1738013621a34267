"""A vendor is data plus reasoned booleans: how it is addressed, how it is authenticated, what it refuses."""
