"""wrk, the closed-loop client for unary requests."""

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from machine import LOAD_CORE, pinned

from load.target import Target

_TIMEOUT_SECONDS = 15
_MARK = "@@result "
_SCRIPT = """
wrk.method = "POST"
local file = assert(io.open({body}, "rb"))
wrk.body = file:read("*a")
file:close()
{headers}
done = function(summary, latency, requests)
  io.write(string.format('{mark}{{"requests": %d, "microseconds": %d, "statuses": %d, "broken": %d, '
    .. '"p50_us": %d, "p99_us": %d, "max_us": %d}}\\n', summary.requests, summary.duration, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(99), latency.max))
end
"""


@dataclass(frozen=True, slots=True)
class Burst:
    """What one run of wrk saw. Latencies in milliseconds; `failed` counts answers >= 400 and broken exchanges."""

    requests: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float
    max_ms: float


class WrkFailed(Exception):
    """wrk gave no result."""


def burst(target: Target, body: bytes, *, connections: int, seconds: float, folder: Path) -> Burst:
    """Send the body over and over on that many connections, for that many seconds (whole ones, at least 1)."""
    body_file, script = folder / "wrk.body", folder / "wrk.lua"
    body_file.write_bytes(body)
    headers = {"content-type": "application/json", **target.headers}
    script.write_text(
        _SCRIPT.format(
            body=json.dumps(str(body_file)),
            mark=_MARK,
            headers="\n".join(
                f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in headers.items()
            ),
        )
    )
    command = ["wrk", "-t1", f"-c{connections}", f"-d{max(round(seconds), 1)}s", f"--timeout={_TIMEOUT_SECONDS}s"]
    done = subprocess.run(
        pinned(LOAD_CORE, [*command, "-s", str(script), target.url]),
        capture_output=True,
        text=True,
        check=False,
        timeout=seconds + 3 * _TIMEOUT_SECONDS,
    )
    for line in done.stdout.splitlines():
        if line.startswith(_MARK):
            seen = json.loads(line.removeprefix(_MARK))
            return Burst(
                requests=seen["requests"],
                failed=seen["statuses"] + seen["broken"],
                seconds=seen["microseconds"] / 1e6,
                p50_ms=seen["p50_us"] / 1000,
                p99_ms=seen["p99_us"] / 1000,
                max_ms=seen["max_us"] / 1000,
            )
    raise WrkFailed(f"wrk gave no result: {done.stderr[-300:]} {done.stdout[-300:]}")
