"""Fixtures that real processes make."""

from collections.abc import Iterator

import pytest

from support.processes import Vendor, vendor


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    with vendor(tmp_path_factory.mktemp("vendor")) as found:
        yield found


@pytest.fixture
def fresh(sandbox: Vendor) -> Iterator[Vendor]:
    """Without scripts and records, before and after."""
    sandbox.clear()
    yield sandbox
    sandbox.clear()
