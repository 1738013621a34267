"""polyrelay: one address and one key for every model API."""

__version__ = "0.1.0"
