import json
from dataclasses import asdict

import msgspec
import pytest

from polyrelay.background.supervision.place import Place
from polyrelay.settings.root import DatabaseSettings, ServerSettings


def test_a_place_survives_the_way() -> None:
    server = ServerSettings(port=0, data="/d", workers=4, tls_key="k", forwarded_networks=("10.0.0.0/8", "::1/128"))
    place = Place(index=3, count=4, listener=5, server=server, database=DatabaseSettings("postgresql://u:p@h/n"))
    assert Place.parse(json.dumps(asdict(place)).encode()) == place


def test_anything_else_is_refused() -> None:
    with pytest.raises(msgspec.DecodeError):
        Place.parse(b'{"index": "0"}')
