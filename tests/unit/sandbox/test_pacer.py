import asyncio
from functools import partial
from typing import Any

import uvloop

from polyrelay.sandbox.pacer import Pacer


def test_everything_comes_in_order_and_not_early() -> None:
    async def go() -> Any:
        loop = asyncio.get_running_loop()
        pacer, seen, done = Pacer(loop), [], asyncio.Event()
        start = loop.time()

        def note(delay: float) -> None:
            seen.append((delay, loop.time() - start))
            if len(seen) == 5:
                done.set()

        for delay in (0.03, 0.01, 0.01, 0.02, 0.0):
            pacer.at(start + delay, partial(note, delay))
        await done.wait()
        return seen

    seen = uvloop.run(go())
    assert [delay for delay, _ in seen] == [0.0, 0.01, 0.01, 0.02, 0.03]
    assert all(at >= delay - 0.002 for delay, at in seen)


def test_one_callback_may_ask_for_the_next_and_closing_forgets() -> None:
    async def go() -> Any:
        loop = asyncio.get_running_loop()
        pacer, count, done = Pacer(loop), 0, asyncio.Event()

        def again() -> None:
            nonlocal count
            count += 1
            if count == 5:
                done.set()
            else:
                pacer.at(loop.time() + 0.001, again)

        pacer.at(loop.time(), again)
        await done.wait()
        pacer.at(loop.time() + 0.001, again)
        pacer.close()
        await asyncio.sleep(0.01)
        return count

    assert uvloop.run(go()) == 5


def test_a_callback_that_fails_does_not_stop_the_others() -> None:
    async def go() -> Any:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda *_: None)
        pacer, done = Pacer(loop), asyncio.Event()

        def fail() -> None:
            raise RuntimeError

        pacer.at(loop.time() + 0.001, fail)
        pacer.at(loop.time() + 0.005, done.set)
        await asyncio.wait_for(done.wait(), 2)

    uvloop.run(go())
