# ruff: noqa: D102 - the base class says what its methods mean
"""No gateway: the same client straight to the upstream, without TLS. What the others add is counted from here."""

from load.target import Target

from contenders.base import Contender


class Direct(Contender):
    """The baseline of every added time."""

    name = "direct"
    title = "direct (no gateway)"
    speaks = True

    def missing(self) -> str | None:
        return None

    def version(self) -> str:
        return "-"

    def prepare(self) -> tuple[list[str], dict[str, str]]:
        raise NotImplementedError("there is nothing to start")

    def start(self) -> dict[str, float]:
        return {}

    def target(self, model: str) -> Target:
        headers = {"authorization": "Bearer bench"}
        return Target(self.site.ports(model).plain, "/v1/chat/completions", model, headers)
