"""`kill -9` under load, in short. `just crash` is the long version."""

from pathlib import Path

import pytest

from crash import siege
from crash.siege import Plan
from support.processes import Vendor


@pytest.mark.parametrize(("workers", "kills"), [(1, 3), (2, 5)])
def test_whatever_is_killed_every_whole_answer_is_charged_once(
    workers: int, kills: int, sandbox: Vendor, tmp_path: Path
) -> None:
    with siege.besieged(tmp_path, sandbox, Plan(kills, clients=16, workers=workers)) as besieged:
        proof = besieged.settle()
        findings = siege.find(besieged.answers, besieged.kills, proof)
        assert findings.clean, findings
        assert sum(answer.paid for answer in besieged.answers) > len(besieged.kills)
        proof.check_closed()
        assert besieged.station.ledger.journals() == []
        assert "database is locked" not in besieged.station.logs()
