"""Channels kept as documents in the database: the rules of the configuration file, without the file."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from polyrelay.config import channels, checks
from polyrelay.config.convert import Converter
from polyrelay.config.problems import Problem, fail
from polyrelay.routing.channel import Channel
from polyrelay.settings.channels import ChannelSettings
from polyrelay.settings.root import Settings

_PLACEHOLDER = ({"value": "-"},)


def problems(document: Mapping[str, Any], providers: Collection[str]) -> list[Problem]:
    """What is wrong with a channel's document, which has no credentials. Paths begin at the channel."""
    if "credentials" in document:
        return [Problem(("credentials",), "found credentials", "none; they are kept by themselves")]
    converter = Converter()
    settings = converter.convert(ChannelSettings, _complete(document, _PLACEHOLDER))
    if converter.problems:
        return converter.problems
    found = checks.check(Settings(channels=(settings,)), providers)
    return [Problem(problem.path[2:], problem.found, problem.allowed) for problem in found]


def channel(document: Mapping[str, Any], credentials: Sequence[tuple[str, str]], providers: Collection[str]) -> Channel:
    """A channel ready for use. `credentials` are names and secrets, at least one but for vendors that need none.

    Raises:
        ConfigurationError: the document is not right; it was kept by another release.
    """
    name = document.get("name")
    fail(problems(document, providers), lambda _: f"channel {name!r} in the database")
    complete = _complete(document, tuple({"name": each, "value": secret} for each, secret in credentials))
    settings: ChannelSettings = Converter().convert(ChannelSettings, complete)
    return channels.resolve(Settings(channels=(settings,)), {})[0]


def shown(settings: ChannelSettings) -> dict[str, Any]:
    """A channel of the file as a document, without credentials."""
    timeouts = settings.timeouts
    document = {
        "name": settings.name,
        "provider": settings.provider,
        "base_url": settings.base_url,
        "models": [{"name": model.name, "upstream": model.upstream or model.name} for model in settings.models],
        "priority": settings.priority,
        "weight": settings.weight,
        "timeouts": {name: seconds for name, seconds in asdict(timeouts).items() if seconds is not None} or None,
        "concurrency": settings.concurrency,
        "waiting": settings.waiting,
        "scripts": list(settings.scripts),
        "proxy": settings.proxy,
        "client_gone": settings.client_gone,
        "artefacts": settings.artefacts,
        "poll_seconds": settings.poll_seconds,
        "http2": settings.http2,
        "ca_file": settings.ca_file,
    }
    return {name: value for name, value in document.items() if value is not None}


def _complete(document: Mapping[str, Any], credentials: Sequence[Mapping[str, str]]) -> dict[str, Any]:
    return {**document, "credentials": [dict(each) for each in credentials]}
