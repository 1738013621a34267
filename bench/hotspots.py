"""Where polyrelay's time goes under one case: `python bench/hotspots.py [--case unary-c32] [--native]`.

Samples the running relay with py-spy while the case's load runs, and prints the functions by their own share of the
samples and by the share they are somewhere on the stack of. `--native` shows the C frames (libcurl, uvloop, OpenSSL).
"""

import argparse
import collections
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from contenders.base import Site
from contenders.polyrelay import Polyrelay
from load.upstreams import CACHE, Upstreams
from machine import LOAD_CORE, pinned
from measure import measure
from plan import CASES, streamed_models

_SECONDS = 4
_SHOWN = 40
_IDLE = ("_worker (concurrent/futures", "_queue_SimpleQueue_get")
"""The log writer waiting for its queue; py-spy takes the wait for work."""


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Sample polyrelay under one case.")
    parser.add_argument("--case", default="unary-c32", choices=[case.name for case in CASES])
    parser.add_argument("--native", action="store_true", help="C frames too")
    return parser.parse_args()


def _print(stacks: str) -> None:
    """Both rankings of py-spy's raw stacks (`outermost;...;innermost count` lines)."""
    own: collections.Counter[str] = collections.Counter()
    under: collections.Counter[str] = collections.Counter()
    for line in stacks.splitlines():
        frames, _, count = line.rpartition(" ")
        names = frames.split(";")
        if names[-1].startswith(_IDLE[0]) or any(name.startswith(_IDLE[1]) for name in names):
            continue
        own[names[-1]] += int(count)
        for name in set(names):
            under[name] += int(count)
    total = sum(own.values())
    for title, ranking in (("own time", own), ("with everything below", under)):
        print(f"\n{title}, % of {total} samples")
        for name, samples in ranking.most_common(_SHOWN):
            print(f"{100 * samples / total:6.1f}  {name}")


def main() -> int:
    """Start, load, sample, print."""
    options = _options()
    profiler = CACHE / "profiler" / "bin" / "py-spy"
    if not profiler.exists():
        raise SystemExit("py-spy is missing; run bench/setup.sh first")
    os.sched_setaffinity(0, {LOAD_CORE})
    case = next(case for case in CASES if case.name == options.case)
    folder = Path(tempfile.mkdtemp(prefix="polyrelay-profile-"))
    upstreams = Upstreams.start(folder)
    relay = Polyrelay(Site(upstreams, folder, streamed_models((case,))))
    try:
        relay.start()
        measure(relay, case, folder)
        load = threading.Thread(target=measure, args=(relay, case, folder))
        load.start()
        output = folder / "stacks"
        command = [str(profiler), "record", "--pid", str(relay.pids()[0]), "--duration", str(_SECONDS)]
        command += ["--rate", "500", "--format", "raw", "--function", "--output", str(output)]
        subprocess.run(
            pinned(LOAD_CORE, [*command, *["--native"] * options.native]), check=True, capture_output=True, timeout=60
        )
        load.join()
        _print(output.read_text())
    finally:
        relay.stop()
        upstreams.stop()
        shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
