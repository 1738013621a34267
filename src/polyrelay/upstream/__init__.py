"""The one network hop to a vendor."""
