"""Kills relay processes under load, and holds their books against what the clients saw.

`cd tests && python -m crash --kills 50 --database postgresql`
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from crash import siege
from crash.siege import Findings, Plan, Siege
from support import postgres
from support.processes import vendor
from support.proof import Proof


def say(text: str) -> None:
    """A line, at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """The command line; 0 when the books are right."""
    parser = argparse.ArgumentParser(prog="crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2, help="1 is a single process without a parent")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--keep", type=Path, help="a folder for logs and data that stays")
    given = parser.parse_args()
    url = postgres.ready_database() if given.database == "postgresql" else ""
    plan = Plan(given.kills, given.clients, given.workers, given.seed, url)
    with tempfile.TemporaryDirectory(prefix="polyrelay-crash-") as made:
        folder = given.keep or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        with vendor(folder) as sandbox, siege.besieged(folder, sandbox, plan, say) as besieged:
            began = time.monotonic()
            proof = besieged.settle()
            settled = time.monotonic() - began
            findings = siege.find(besieged.answers, besieged.kills, proof)
            say(table(plan, besieged, proof, findings, settled))
            return 0 if holds(besieged, proof, findings) else 1


def table(plan: Plan, besieged: Siege, proof: Proof, findings: Findings, settled: float) -> str:
    """The figures."""
    parents = sum(kill.parent for kill in besieged.kills)
    rows = [
        ("kills", f"{len(besieged.kills)}, of the parent {parents}; seed {plan.seed}, {plan.workers} workers"),
        *((f"answers: {kind}", str(number)) for kind, number in sorted(findings.answers.items())),
        *((f"charges: {kind}", str(number)) for kind, number in sorted(findings.charges.items())),
        ("whole but not charged", str(len(findings.uncharged))),
        ("whole but flagged", str(len(findings.doubtful))),
        ("refused but charged", str(len(findings.refused_yet_charged))),
        ("charges without a reason", str(len(findings.unexplained))),
        ("charged, nanos", str(sum(entry.amount or 0 for entry in proof.entries))),
        ("in escrow at the end, nanos", str(proof.escrowed)),
        ("workers", ", ".join(f"{number} {state}" for state, number in proof.states.items())),
        ("journals left", str(len(besieged.station.ledger.journals()))),
        ("recovered and drained in", f"{settled:.1f} s"),
    ]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)


def holds(besieged: Siege, proof: Proof, findings: Findings) -> bool:
    """Whether everything that must be true is; says what is not."""
    for found in (findings.uncharged, findings.doubtful, findings.refused_yet_charged, findings.unexplained):
        for each in found[:5]:
            say(f"WRONG: {each}")
    left = besieged.station.ledger.journals()
    audited = audit(besieged.station.config)
    proof.check_closed()
    return findings.clean and not left and audited


def audit(config: Path) -> bool:
    """Whether `polyrelay ledger audit` agrees."""
    command = [sys.executable, "-m", "polyrelay", "ledger", "audit", "--config", str(config)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    say(f"{done.stdout}{done.stderr}audit: exit code {done.returncode}")
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
