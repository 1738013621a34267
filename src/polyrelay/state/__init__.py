"""Limits and health, which may be shared between workers and may be lost without losing money."""
