"""Seeded random operations with faults at every step; the books balance after each, and at the end tell the truth.

A failure names its seed and what was done; `POLYRELAY_SIM_SEED=n` does it again, `POLYRELAY_SIM_RUNS=n` tries more.
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest

from polyrelay.background import settler
from sim.operations import Drawn
from sim.world import Trouble, World
from support.books import opened

T = TypeVar("T")

OPERATIONS = 300
RUNS = int(os.environ.get("POLYRELAY_SIM_RUNS", "100"))
REAL_RUNS = 2
CHUNK = 20
"""Seeds in one test, so that they spread over the processes of xdist."""

ONLY = os.environ.get("POLYRELAY_SIM_SEED")
CHUNKS: Sequence[Sequence[int]] = (
    [range(RUNS)[first : first + CHUNK] for first in range(0, RUNS, CHUNK)] if ONLY is None else [[int(ONLY)]]
)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Pages turn often, and batches are cut."""
    monkeypatch.setattr(settler, "SEGMENT_BYTES", 4000)
    monkeypatch.setattr(settler, "BATCH_ROWS", 5)
    logger = logging.getLogger("polyrelay")
    before = logger.level
    logger.setLevel(logging.ERROR)
    yield
    logger.setLevel(before)


class OneThread(ThreadPoolExecutor):
    """Runs what belongs off the loop at once, so that a seed decides everything."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future = Future[T]()
        try:
            future.set_result(fn(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - border: as of any executor, it goes to whoever waits for it
            future.set_exception(error)
        return future


async def simulate(kind: str, seed: int, folder: Path, operations: int = OPERATIONS) -> None:
    asyncio.get_running_loop().set_default_executor(OneThread())
    random, trouble = Random(seed), Trouble()
    logger = logging.getLogger("polyrelay")
    logger.addHandler(trouble)
    async with opened(kind, folder) as books:
        drawn = Drawn(World(books, folder, patient=seed % 2 == 1), random)
        try:
            await drawn.begin()
            for _ in range(operations):
                await drawn.step()
                assert not trouble.found, trouble.found[0]
            await drawn.finish()
            assert not trouble.found, trouble.found[0]
        except Exception as error:  # border: whatever it is, the seed and the story are told with it
            story = "\n".join(drawn.diary)
            raise AssertionError(f"{story}\nPOLYRELAY_SIM_SEED={seed} on {kind}: {error}") from error
        finally:
            logger.removeHandler(trouble)


@pytest.mark.parametrize("seeds", CHUNKS)
def test_the_books_balance_after_whatever_happens(seeds: Sequence[int], tmp_path: Path) -> None:
    for seed in seeds:
        asyncio.run(simulate("memory", seed, tmp_path / str(seed)))


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_the_same_on_a_database(kind: str, tmp_path: Path) -> None:
    for seed in CHUNKS[0][:REAL_RUNS]:
        asyncio.run(simulate(kind, seed, tmp_path / str(seed)))
