"""The composition root: the only place that names adapters."""

from polyrelay.wiring.node import Node
from polyrelay.wiring.offer import USER_AGENT
from polyrelay.wiring.overrides import Overrides, free_port, listen, read

__all__ = ["USER_AGENT", "Node", "Overrides", "free_port", "listen", "read"]
