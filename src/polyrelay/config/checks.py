"""What must hold between settings that are right each by itself."""

from collections.abc import Collection, Iterator, Sequence

from polyrelay.config.locate import KeyPath
from polyrelay.config.problems import Problem, suggestion
from polyrelay.providers import registry
from polyrelay.settings.channels import ChannelSettings, CredentialSettings
from polyrelay.settings.limits import LimitSettings
from polyrelay.settings.root import ServerSettings, Settings


def check(settings: Settings, providers: Collection[str] | None) -> Iterator[Problem]:
    """Every contradiction. `providers` are the known vendors; None leaves them unchecked."""
    yield from _tls(settings.server)
    yield from _limits(settings.limits)
    if settings.artefacts.place == "s3" and not settings.artefacts.s3_bucket:
        yield Problem(("artefacts", "place"), 'found "s3" without an s3_bucket', "s3_bucket beside it, or folder")
    names: set[str] = set()
    for position, channel in enumerate(settings.channels):
        path: KeyPath = ("channels", position)
        if channel.name in names:
            yield Problem((*path, "name"), f'a second channel named "{channel.name}"', "a name of its own")
        names.add(channel.name)
        yield from _channel(channel, path, providers)


def _tls(server: ServerSettings) -> Iterator[Problem]:
    if server.tls_certificate and not server.tls_key:
        yield Problem(("server", "tls_certificate"), "no tls_key beside it", "both or neither")
    if server.tls_key and not server.tls_certificate:
        yield Problem(("server", "tls_key"), "no tls_certificate beside it", "both or neither")


def _limits(rules: Sequence[LimitSettings]) -> Iterator[Problem]:
    known: set[tuple[str | None, ...]] = set()
    for position, rule in enumerate(rules):
        if not (rule.requests_per_minute or rule.requests_per_day or rule.tokens_per_minute or rule.concurrency):
            yield Problem(("limits", position), "a rule that limits nothing", "at least one limit above 0")
        whom = (rule.model, rule.group, rule.each)
        if whom in known:
            found = "a second rule for the same model, group and each"
            yield Problem(("limits", position), found, "one rule with all its limits")
        known.add(whom)


def _channel(channel: ChannelSettings, path: KeyPath, providers: Collection[str] | None) -> Iterator[Problem]:
    if providers is not None and channel.provider not in providers:
        found = f'unknown provider "{channel.provider}"'
        yield Problem((*path, "provider"), found, suggestion(channel.provider, providers))
    if not channel.credentials and not is_keyless(channel.provider):
        yield Problem((*path, "credentials"), "an empty list", "at least one credential")
    for position, credential in enumerate(channel.credentials):
        yield from _credential(credential, (*path, "credentials", position))
    if not channel.models:
        yield Problem((*path, "models"), "an empty list", "at least one model")
    models: set[str] = set()
    for position, model in enumerate(channel.models):
        if model.name in models:
            yield Problem((*path, "models", position), f'"{model.name}" is listed twice', "each model once a channel")
        models.add(model.name)


def is_keyless(provider: object) -> bool:
    """Whether a channel of this vendor may be without a credential."""
    profile = registry.PROFILES.get(provider) if isinstance(provider, str) else None
    return profile is not None and profile.keyless


def _credential(credential: CredentialSettings, path: KeyPath) -> Iterator[Problem]:
    sources = {"env": credential.env, "file": credential.file, "value": credential.value}
    given = [name for name, source in sources.items() if source is not None]
    if len(given) != 1:
        yield Problem(path, f"found {' and '.join(given) or 'no source'}", "exactly one of env, file and value")
    elif not sources[given[0]]:
        yield Problem((*path, given[0]), "found nothing", "a text that is not empty")
