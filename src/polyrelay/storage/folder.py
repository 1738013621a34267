"""The data folder: what lies where, and who may look."""

import os
from pathlib import Path

DATABASE = "polyrelay.db"
SECRETS = "secrets.toml"
SPOOL = "spool"
"""Folder of forms that are being passed on; its files have no names."""

FOLDER_MODE = 0o700
FILE_MODE = 0o600


def prepare(folder: Path) -> None:
    """Make the folder, for its owner only. One that exists keeps its mode: the files in it are private themselves."""
    folder.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)


def create_private(path: Path) -> None:
    """An empty file that only its owner reads and writes, unless `path` exists."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, FILE_MODE))
