"""What is wrong with a configuration, collected so that an operator sees everything at once."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from polyrelay.config.locate import KeyPath, show
from polyrelay.kernel.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where, what was found, what is allowed."""

    path: KeyPath
    found: str
    allowed: str


def fail(problems: Iterable[Problem], where: Callable[[KeyPath], str]) -> None:
    """Raise one `ConfigurationError` with a line for each problem; return when there is none.

    `where` names the file and line, or the variable, a path came from.
    """
    lines = [
        f"{where(problem.path)}: {show(problem.path)}: {problem.found}; allowed: {problem.allowed}"
        for problem in problems
    ]
    if lines:
        raise ConfigurationError("\n".join(lines))


def suggestion(word: str, known: Iterable[str]) -> str:
    """The nearest known word as a question, else all of them."""
    choices = {name.lower(): name for name in sorted(known)}
    nearest = difflib.get_close_matches(word.lower(), choices, n=1)
    return f"did you mean {choices[nearest[0]]}?" if nearest else ", ".join(choices.values())
