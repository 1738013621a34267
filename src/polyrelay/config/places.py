"""Where the files that settings name are."""

from collections.abc import Container
from dataclasses import replace
from pathlib import Path

from polyrelay.config.locate import KeyPath
from polyrelay.settings.channels import ChannelSettings
from polyrelay.settings.root import ServerSettings, Settings


def anchored(settings: Settings, folder: Path, kept: Container[KeyPath] = ()) -> Settings:
    """`settings` with every relative path of a file or folder taken from `folder`; asks the file system nothing.

    `kept` are the paths (`("server", "data")`) that came from elsewhere and stay as they are.
    """
    return replace(
        settings,
        server=_server(settings.server, folder, kept),
        channels=tuple(_channel(channel, folder) for channel in settings.channels),
    )


def _server(server: ServerSettings, folder: Path, kept: Container[KeyPath]) -> ServerSettings:
    def placed(name: str, place: str) -> str:
        return place if ("server", name) in kept else str(folder / place)

    return replace(
        server,
        data=placed("data", server.data),
        tls_certificate=server.tls_certificate and placed("tls_certificate", server.tls_certificate),
        tls_key=server.tls_key and placed("tls_key", server.tls_key),
    )


def _channel(channel: ChannelSettings, folder: Path) -> ChannelSettings:
    credentials = tuple(
        replace(credential, file=str(folder / credential.file)) if credential.file is not None else credential
        for credential in channel.credentials
    )
    ca_file = str(folder / channel.ca_file) if channel.ca_file is not None else None
    return replace(channel, credentials=credentials, ca_file=ca_file)
