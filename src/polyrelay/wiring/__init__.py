"""The composition root: the only place that names adapters."""

from polyrelay.wiring.node import Node
from polyrelay.wiring.overrides import Overrides, free_port, listen, read

__all__ = ["Node", "Overrides", "free_port", "listen", "read"]
