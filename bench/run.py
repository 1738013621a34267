"""Measures every contender side by side and writes `RESULTS.md` and `results.json`: `python bench/run.py [--quick]`.

Contenders take turns (A B C, A B C, ...), each started anew in every round, alone on its core. See `README.md`.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from contenders.base import Contender, Site
from contenders.registry import CONTENDERS
from goals import goals
from load import bodies, wrk
from load.upstreams import BENCH, CACHE, Upstreams
from machine import LOAD_CORE, resident_mb
from measure import Figures, measure
from plan import CASES, WARM_UP, WARM_UP_SECONDS, Case, Streams, quick, streamed_models
from process import Failed
from record import START, Entrant, Record
from report import render
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_WARM_UP_CONNECTIONS = 16
_ROUNDS = 3


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure polyrelay beside nginx and its peers.")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything works")
    parser.add_argument("--only", default="", help=f"contenders, comma-separated, of: {', '.join(CONTENDERS)}")
    parser.add_argument("--cases", default="", help=f"of: {', '.join(case.name for case in CASES)}")
    parser.add_argument("--rounds", type=int, default=0, help=f"default {_ROUNDS}, quick 1")
    parser.add_argument("--out", type=Path, help="folder for RESULTS.md and results.json [bench/; quick: bench/.cache]")
    parser.add_argument("--keep", action="store_true", help="keep the folder of logs and configurations")
    return parser.parse_args()


def _chosen(given: str, known: list[str]) -> list[str]:
    names = [name.strip() for name in given.split(",") if name.strip()] or known
    if unknown := set(names) - set(known):
        raise SystemExit(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    return [name for name in known if name in names]


class Bench:
    """One run."""

    def __init__(self, site: Site, cases: tuple[Case, ...], record: Record, progress: Progress) -> None:
        self.site = site
        self.cases = cases
        self.record = record
        self.progress = progress
        self.runnable: list[type[Contender]] = []

    def enter(self, names: list[str]) -> None:
        """Note who takes part, and who cannot."""
        for name in names:
            contender = CONTENDERS[name](self.site)
            lacks = contender.missing()
            entrant = Entrant(contender.title, contender.version() if lacks is None else "-")
            self.record.entrants[name] = entrant
            self.record.versions |= {name: entrant.version} if entrant.version != "-" else {}
            if lacks is None:
                self.runnable.append(CONTENDERS[name])
            else:
                entrant.trouble.append(lacks)

    def play(self, rounds: int) -> None:
        """All rounds."""
        steps = rounds * len(self.runnable) * (len(self.cases) + 1)
        task = self.progress.add_task("", total=steps)
        for number in range(1, rounds + 1):
            found: dict[str, dict[str, Figures]] = {}
            self.record.rounds.append(found)
            for kind in self.runnable:
                self.progress.update(task, description=f"round {number}/{rounds} {kind.name}")
                contender = kind(self.site)
                found[kind.name] = {}
                try:
                    self._turn(contender, found[kind.name], lambda: self.progress.advance(task))
                except (Failed, wrk.WrkFailed, subprocess.SubprocessError, OSError) as trouble:
                    self.record.entrants[kind.name].trouble.append(f"round {number}: {trouble}")
                finally:
                    contender.stop()

    def _turn(self, contender: Contender, found: dict[str, Figures], step: Callable[[], None]) -> None:
        start = contender.start()
        found[START] = start
        if start:
            start["rss_idle_mb"] = resident_mb(contender.pids())
            if contender.touch_control_plane():
                start["rss_idle_after_mb"] = resident_mb(contender.pids())
        target = contender.target(bodies.UNARY)
        body = bodies.chat(target.model)
        wrk.burst(target, body, connections=_WARM_UP_CONNECTIONS, seconds=WARM_UP_SECONDS, folder=contender.folder)
        measure(contender, WARM_UP, contender.folder)
        step()
        for case in self.cases:
            if isinstance(case, Streams) and case.spoken and not contender.speaks:
                step()
                continue
            try:
                found[case.name] = measure(contender, case, contender.folder)
            except (wrk.WrkFailed, subprocess.SubprocessError) as trouble:
                self.record.entrants[contender.name].trouble.append(f"{case.name}: {trouble}")
            if contender.process is not None:
                contender.process.check()
            step()
        if start:
            start["rss_end_mb"] = resident_mb(contender.pids())


def main() -> int:
    """Run, write, and say which goals were reached."""
    options = _options()
    names = _chosen(options.only, list(CONTENDERS))
    wanted = _chosen(options.cases, [case.name for case in CASES])
    cases = tuple(quick(case) if options.quick else case for case in CASES if case.name in wanted)
    out: Path = options.out or (CACHE if options.quick else BENCH)
    for tool in ("taskset", "wrk", "openssl", str(CACHE / "pacer")):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing; run bench/setup.sh first")
    out.mkdir(parents=True, exist_ok=True)
    os.sched_setaffinity(0, {LOAD_CORE})
    console = Console()
    record = Record.begin({}, quick=options.quick)
    record.cases = {case.name: case.title for case in cases}
    folder = Path(tempfile.mkdtemp(prefix="polyrelay-bench-"))
    upstreams = Upstreams.start(folder)
    columns = (TextColumn("{task.description:<26}"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=console) as progress:
            bench = Bench(Site(upstreams, folder, streamed_models(cases)), cases, record, progress)
            bench.enter(names)
            bench.play(options.rounds or (1 if options.quick else _ROUNDS))
    finally:
        upstreams.stop()
        if options.keep:
            console.print(f"logs and configurations: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
        record.save(out / "results.json")
        (out / "RESULTS.md").write_text(render(record))
    for goal in goals(record):
        found = "-" if goal.found is None else f"{goal.found:,.3g}{goal.unit}"
        console.print(f"{goal.promise}: {found} {goal.verdict.replace('**', '')}", highlight=False)
    for name, entrant in record.entrants.items():
        for trouble in entrant.trouble:
            console.print(f"{name}: {trouble}", style="red", markup=False)
    console.print(f"written: {out / 'RESULTS.md'}, {out / 'results.json'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
