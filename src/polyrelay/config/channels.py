"""Channels ready for use: credentials fetched from where the configuration says they are."""

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from polyrelay.config import files
from polyrelay.config.locate import KeyPath
from polyrelay.config.problems import Problem, fail
from polyrelay.providers import registry
from polyrelay.providers.profile import Profile
from polyrelay.routing.channel import Channel, Credential
from polyrelay.settings.channels import ChannelSettings, CredentialSettings
from polyrelay.settings.root import Settings

NO_CREDENTIAL = Credential("none", "")
"""That of a vendor that is used without any."""

_UNKNOWN = Profile("", "")
"""What a vendor has that the registry does not name."""


def _unknown_place(_: KeyPath) -> str:
    return "configuration"


def resolve(
    settings: Settings, environ: Mapping[str, str], where: Callable[[KeyPath], str] = _unknown_place
) -> tuple[Channel, ...]:
    """The channels with their credentials in clear, all TLS files checked. Apart from loading, because only serving
    needs them.

    `where` places a path in messages (`load.Source.where`).

    Raises:
        ConfigurationError: a variable is not set, a file cannot be read, there is no key in them, or a TLS file does
            not load.
    """
    problems = list(files.certificate(settings.server))
    channels = [
        _channel(channel, ("channels", position), environ, problems)
        for position, channel in enumerate(settings.channels)
    ]
    fail(problems, where)
    return tuple(channels)


def _channel(channel: ChannelSettings, path: KeyPath, environ: Mapping[str, str], problems: list[Problem]) -> Channel:
    credentials: list[Credential] = []
    profile = registry.PROFILES.get(channel.provider, _UNKNOWN)
    problems += files.authorities(channel.ca_file, (*path, "ca_file"))
    for position, credential in enumerate(channel.credentials):
        found = _secret(credential, (*path, "credentials", position), environ)
        if isinstance(found, Problem):
            problems.append(found)
        else:
            credentials.append(Credential(credential.name or f"#{position + 1}", found))
    return Channel(
        name=channel.name,
        provider=channel.provider,
        base_url=channel.base_url.rstrip("/"),
        credentials=(NO_CREDENTIAL,) if profile.keyless and not channel.credentials else tuple(credentials),
        models=MappingProxyType({model.name: model.upstream or model.name for model in channel.models}),
        priority=channel.priority,
        weight=channel.weight,
        timeouts=channel.timeouts.over(profile.timeouts),
        proxy=channel.proxy,
        http2=channel.http2,
        ca_file=channel.ca_file,
        stores=channel.artefacts == "store",
        drains=profile.drains if channel.client_gone is None else channel.client_gone == "drain",
        concurrency=profile.concurrency if channel.concurrency is None else channel.concurrency,
        waiting=channel.waiting,
        scripts=frozenset(name.casefold() for name in channel.scripts),
        poll_seconds=channel.poll_seconds,
    )


def _secret(credential: CredentialSettings, path: KeyPath, environ: Mapping[str, str]) -> str | Problem:
    """The key, without the white space that editors and `echo` leave around it. Keys travel in headers: ASCII."""
    if credential.env is not None:
        path, origin, text = (*path, "env"), f"environment variable {credential.env}", environ.get(credential.env)
    elif credential.file is not None:
        path, origin, text = (*path, "file"), f"file {credential.file}", _file_text(credential.file)
    else:
        path, origin, text = (*path, "value"), "value", credential.value
    if text is None:
        state = "is not set" if credential.env is not None else "cannot be read"
        return Problem(path, f"{origin} {state}", "one that holds the upstream's key")
    secret = text.strip()
    if not secret or not secret.isascii() or not secret.isprintable():
        return Problem(path, f"{origin} holds no key", "a key of printable ASCII characters on one line")
    return secret


def _file_text(name: str) -> str | None:
    try:
        return Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
