import ssl
from collections.abc import Iterator

import pytest

from polyrelay.sandbox import certificate
from polyrelay.sandbox.certificate import Certificates
from polyrelay.sandbox.server import Sandbox

from .vendor import Vendor, running


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificate.ensure(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with running(Sandbox()) as started:
        yield started


@pytest.fixture
def secure_vendor(certificates: Certificates) -> Iterator[Vendor]:
    trust = ssl.create_default_context(cafile=certificates.ca)
    with running(Sandbox(), certificate.server_context(certificates), trust) as started:
        yield started


@pytest.fixture(params=["plain", "tls"])
def any_vendor(request: pytest.FixtureRequest) -> Vendor:
    found: Vendor = request.getfixturevalue("vendor" if request.param == "plain" else "secure_vendor")
    return found
