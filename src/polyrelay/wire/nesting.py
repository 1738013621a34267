"""How deep a decoded JSON value may go where the relay keeps it without knowing what it is."""

MOST_DEPTH = 16
"""Levels of arrays and objects. Vendors use three or four; whoever walks such a value later does so recursively."""


def fits(value: object, levels: int = MOST_DEPTH) -> bool:
    """Whether `value` has at most `levels` levels of lists and dicts."""
    if isinstance(value, dict):
        return levels > 0 and all(fits(item, levels - 1) for item in value.values())
    if isinstance(value, list):
        return levels > 0 and all(fits(item, levels - 1) for item in value)
    return True
