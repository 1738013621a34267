"""A crew takes on no more than it has hands for, at once when it is told, and outlives what goes wrong."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from polyrelay.background.crew import Crew
from polyrelay.kernel.errors import PolyrelayError


@dataclass
class Bench:
    """Work by name; each waits until it is let go."""

    todo: list[str] = field(default_factory=list)
    hands: int = 2
    claims: int = 0
    failing: Exception | None = None
    doing: dict[str, asyncio.Event] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)

    def crew(self) -> Crew[str]:
        return Crew("test", lambda: self.hands, self.claim, self.work)

    async def claim(self, limit: int, under_way: Sequence[str]) -> Sequence[str]:
        self.claims += 1
        if self.failing is not None:
            raise self.failing
        assert limit + len(under_way) == self.hands
        taken, self.todo = self.todo[:limit], self.todo[limit:]
        return taken

    async def work(self, each: str) -> None:
        self.doing[each] = asyncio.Event()
        await self.doing[each].wait()
        del self.doing[each]
        self.done.append(each)
        if each == "bad":
            raise PolyrelayError("it went wrong")
        if each == "broken":
            raise RuntimeError("a defect")


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def stop(task: "asyncio.Task[None]") -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_free_hand_takes_the_next_at_once() -> None:
    async def main() -> None:
        bench = Bench(["a", "b", "c", "d"])
        running = asyncio.create_task(bench.crew().run())
        await settle()
        assert sorted(bench.doing) == ["a", "b"]
        bench.doing["a"].set()
        await settle()
        assert sorted(bench.doing) == ["b", "c"]
        await stop(running)
        assert bench.done == ["a"]

    asyncio.run(main())


def test_news_is_looked_at_at_once() -> None:
    async def main() -> None:
        bench = Bench()
        crew = bench.crew()
        running = asyncio.create_task(crew.run())
        await settle()
        assert (bench.claims, crew.busy) == (1, ())
        bench.todo.append("a")
        crew.nudge()
        await settle()
        assert crew.busy == ("a",)
        await stop(running)

    asyncio.run(main())


def test_no_hands_no_look() -> None:
    async def main() -> None:
        bench = Bench(["a"], hands=0)
        crew = bench.crew()
        running = asyncio.create_task(crew.run())
        crew.nudge()
        await settle()
        assert bench.claims == 0
        await stop(running)

    asyncio.run(main())


def test_it_goes_on_after_trouble_and_tells_it_once(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        bench = Bench(["bad", "broken", "good"], failing=PolyrelayError("the database is away"))
        crew = bench.crew()
        running = asyncio.create_task(crew.run())
        for _ in range(3):
            crew.nudge()
            await settle()
        assert bench.claims >= 3
        bench.failing = None
        crew.nudge()
        await settle()
        for name in ("bad", "broken"):
            bench.doing[name].set()
        await settle()
        bench.doing["good"].set()
        await settle()
        assert bench.done == ["bad", "broken", "good"]
        assert crew.busy == ()
        await stop(running)

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    told = [record.getMessage() for record in caplog.records]
    assert told == ["test: the database is away", "test: it went wrong", "test: a piece of work failed"]


def test_a_defect_of_the_claim_does_not_end_it(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        bench = Bench(["a"], failing=RuntimeError("a defect"))
        crew = bench.crew()
        running = asyncio.create_task(crew.run())
        await settle()
        bench.failing = None
        crew.nudge()
        await settle()
        assert crew.busy == ("a",)
        await stop(running)

    asyncio.run(main())
    assert [record.getMessage() for record in caplog.records] == ["test: looking for work failed"]
