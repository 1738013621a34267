"""Reads settings from TOML and the environment, with errors that name file, line and key."""
