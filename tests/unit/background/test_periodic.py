import asyncio
import logging
from collections.abc import Callable

import pytest

from polyrelay.background.periodic import every


async def until_done(chore: Callable[[], object], done: asyncio.Event) -> None:
    task = asyncio.create_task(every(0.001, chore))
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def test_a_chore_is_called_again_and_again_but_not_at_once() -> None:
    async def main() -> None:
        called: list[float] = []
        done = asyncio.Event()
        began = asyncio.get_running_loop().time()

        def chore() -> None:
            called.append(asyncio.get_running_loop().time())
            if len(called) == 3:
                done.set()

        await until_done(chore, done)
        assert called[0] >= began + 0.001
        assert called == sorted(called)

    asyncio.run(main())


def test_a_chore_that_fails_is_logged_and_called_again(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        done = asyncio.Event()
        failures = iter([RuntimeError("first"), OSError("second")])

        def chore() -> None:
            failure = next(failures, None)
            if failure is not None:
                raise failure
            done.set()

        await until_done(chore, done)

    with caplog.at_level(logging.ERROR, "polyrelay.background.periodic"):
        asyncio.run(main())
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["first", "second"]
