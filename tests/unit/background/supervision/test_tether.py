import asyncio
import logging
import os
import socket
from functools import partial

import pytest

from polyrelay.background.supervision.tether import READY, Order, Tether, greeting
from polyrelay.kernel.errors import ConfigurationError


def obeyed(said: bytes, *, hang_up: bool = False) -> list[Order]:
    """What a worker does about `said`, which was there before it attended."""

    async def attend() -> list[Order]:
        ours, theirs = socket.socketpair()
        done: list[Order] = []
        tether = Tether(theirs.detach())
        assert not os.get_inheritable(tether._line.fileno())
        with ours, tether._line:
            tether.ready()
            assert ours.recv(64) == READY
            ours.sendall(said)
            if hang_up:
                ours.close()
            loop = asyncio.get_running_loop()
            tether.attend(loop, {order: partial(done.append, order) for order in Order})
            await asyncio.sleep(0.02)
            loop.remove_reader(tether._line)
        return done

    return asyncio.run(attend())


def test_orders_are_carried_out_as_they_came() -> None:
    assert obeyed(b"rrda") == [Order.RELOAD, Order.RELOAD, Order.DRAIN, Order.ABORT]


def test_a_greeting_is_whole_and_orders_after_it_are_kept() -> None:
    ours, theirs = socket.socketpair()
    tether = Tether(theirs.detach())
    with ours, tether._line:
        ours.sendall(greeting(b"x" * 5000) + b"r")
        assert tether.greeted() == b"x" * 5000
        assert tether._line.recv(64) == b"r"


@pytest.mark.parametrize("said", [b"", b"\0\0", greeting(b"hello")[:-1], greeting(b"")])
def test_a_greeting_that_breaks_off_is_an_error(said: bytes) -> None:
    ours, theirs = socket.socketpair()
    tether = Tether(theirs.detach())
    with tether._line:
        with ours:
            ours.sendall(said)
        with pytest.raises(ConfigurationError, match="supervisor"):
            tether.greeted()


def test_without_a_supervisor_a_worker_drains_once_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert obeyed(b"r", hang_up=True) == [Order.RELOAD, Order.DRAIN]
    assert "supervisor is gone" in caplog.text


def test_telling_a_supervisor_that_is_gone_is_no_fault() -> None:
    ours, theirs = socket.socketpair()
    tether = Tether(theirs.detach())
    ours.close()
    with tether._line:
        tether.ready()
