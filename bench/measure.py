"""One contender, one case, one set of flat figures."""

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path

from contenders.base import Contender
from load import bodies, sse, wrk
from load.upstreams import BENCH
from machine import (
    GATEWAY_CORE,
    LOAD_CORE,
    core_busy_seconds,
    cpu_seconds,
    pinned,
    reset_peak,
    resident_mb,
)
from plan import Case, Stall, Streams, Unary

Figures = dict[str, float]

_PATIENCE_SECONDS = 6.0
"""How long after its schedule a streaming run waits for stragglers; events later than that count as dropped."""

_CONNECT_SECONDS = 1.0
"""Load before each measured burst, so that the upstream connections (a TLS handshake each) are already there."""

_BODY_SECONDS = 30.0
_QUIET_SHARE = 0.05
_QUIET_SECONDS = 0.25
_QUIET_TRIES = 60


class Meter:
    """Processor time of a contender and of both cores, from its making to `stop`."""

    def __init__(self, contender: Contender) -> None:
        self._pids = contender.pids()
        self._cpu = cpu_seconds(self._pids)
        self._busy = [core_busy_seconds(core) for core in (GATEWAY_CORE, LOAD_CORE)]
        self._began = time.perf_counter()

    def stop(self, per: float) -> Figures:
        """CPU microseconds for each of `per`; how busy the cores were, and the gateway's with others' work (0 to 1)."""
        wall = time.perf_counter() - self._began
        gateway, load = (
            (core_busy_seconds(core) - before) / wall
            for core, before in zip((GATEWAY_CORE, LOAD_CORE), self._busy, strict=True)
        )
        own = cpu_seconds(self._pids) - self._cpu
        figures = {"gateway_core_busy": gateway, "load_core_busy": load, "foreign": max(gateway - own / wall, 0.0)}
        if self._pids and per:
            figures["cpu_us"] = own / per * 1e6
        return figures


def settle(contender: Contender) -> None:
    """Wait (not for ever) until the contender has finished with what earlier clients left behind."""
    pids = contender.pids()
    for _ in range(_QUIET_TRIES):
        before = cpu_seconds(pids)
        time.sleep(_QUIET_SECONDS)
        if cpu_seconds(pids) - before <= _QUIET_SHARE * _QUIET_SECONDS:
            return


def measure(contender: Contender, case: Case, folder: Path) -> Figures:
    """The figures of one case. Raises `wrk.WrkFailed` or `subprocess.SubprocessError` when a client fails."""
    settle(contender)
    match case:
        case Unary():
            return _unary(contender, case, folder)
        case Streams():
            return _streams(contender, case)
        case Stall():
            return _stall(contender, case)


def _unary(contender: Contender, case: Unary, folder: Path) -> Figures:
    target = contender.target(bodies.UNARY)
    body = bodies.chat(target.model, about_bytes=case.body_bytes)
    wrk.burst(target, body, connections=case.connections, seconds=_CONNECT_SECONDS, folder=folder)
    settle(contender)
    seconds = case.seconds * contender.slowness
    meter = Meter(contender)
    seen = wrk.burst(target, body, connections=case.connections, seconds=seconds, folder=folder)
    figures: Figures = {"rps": (seen.requests - seen.failed) / seen.seconds, "failed": seen.failed}
    if seen.requests:
        figures |= {"p50_ms": seen.p50_ms, "p99_ms": seen.p99_ms, "max_ms": seen.max_ms}
    return figures | meter.stop(per=seen.requests)


def _client() -> subprocess.Popen[str]:
    return subprocess.Popen(
        pinned(LOAD_CORE, [sys.executable, "-m", "load.sse"]),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=BENCH,
    )


def _result(client: subprocess.Popen[str], job: sse.Job, sent: str | None) -> Figures:
    limit = job.seconds * (job.waves + 1) + 3 * _PATIENCE_SECONDS
    try:
        told, complained = client.communicate(sent, timeout=limit)
    except subprocess.TimeoutExpired:
        client.kill()
        client.communicate()
        raise
    if not told:
        raise wrk.WrkFailed(f"the streaming client gave no result: {complained[-400:]}")
    figures: Figures = json.loads(told)
    return figures


def _job(contender: Contender, case: Streams | Stall, *, streams: int, waves: int) -> sse.Job:
    target = contender.target(case.model)
    spoken = isinstance(case, Streams) and case.spoken
    return sse.Job(
        target=target.speaking() if spoken else target,
        streams=streams,
        waves=waves,
        pace_ms=case.pace_ms,
        events=case.events,
        patience_seconds=_PATIENCE_SECONDS,
        spoken=spoken,
    )


def _streams(contender: Contender, case: Streams) -> Figures:
    job = _job(contender, case, streams=case.streams, waves=case.waves)
    pids = contender.pids()
    resident = resident_mb(pids)
    reset_peak(pids)
    meter = Meter(contender)
    figures = _result(_client(), job, sse.dump(job))
    figures |= meter.stop(per=figures["events"])
    if pids and case.memory:
        figures["rss_kb_per_stream"] = (resident_mb(pids, peak=True) - resident) * 1024 / case.streams
    return figures


def _stall(contender: Contender, case: Stall) -> Figures:
    """The stream's own process, and the large bodies from this one, spread over the stream's time."""
    target = contender.target(bodies.UNARY)
    body = bodies.chat(target.model, about_bytes=case.body_bytes)
    job = _job(contender, case, streams=1, waves=1)
    client = _client()
    assert client.stdin is not None
    client.stdin.write(sse.dump(job))
    client.stdin.close()
    client.stdin = None
    answered, slowest = 0, 0.0
    for _ in range(case.times):
        time.sleep(job.seconds / (case.times + 2))
        connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=_BODY_SECONDS)
        began = time.perf_counter()
        try:
            connection.request("POST", target.path, body, {"content-type": "application/json", **target.headers})
            answered += connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            continue
        finally:
            connection.close()
            slowest = max(slowest, time.perf_counter() - began)
    seen = _result(client, job, None)
    return {
        "stall_ms": seen.get("stretch_max_ms", float("nan")),
        "body_ms": slowest * 1000,
        "answered": answered,
        "sent": case.times,
        "dropped": seen["dropped"],
    }
