from dataclasses import replace
from typing import Any

import msgspec

from polyrelay.access.principal import Principal
from polyrelay.service.models import OWNER, ModelDirectory
from polyrelay.service.ports import HeaderList
from support.stage import HOLDER, TOKEN, Stage

HEADERS = [(b"authorization", b"Bearer " + TOKEN.encode())]


def listed(holder: Principal = HOLDER, headers: HeaderList = HEADERS) -> tuple[int, dict[bytes, bytes], Any]:
    status, answered, body = ModelDirectory(Stage(holder=holder).relay).models(headers, "127.0.0.1")
    return status, dict(answered), msgspec.json.decode(body)


def test_the_list_in_openais_shape() -> None:
    status, headers, body = listed()
    assert status == 200
    assert body == {"object": "list", "data": [{"id": "m", "object": "model", "created": 1000, "owned_by": OWNER}]}
    assert headers[b"content-type"] == b"application/json"


def test_a_key_sees_only_what_it_may_use() -> None:
    assert listed(replace(HOLDER, models=("other-*",)))[2]["data"] == []


def test_nobody_sees_anything_without_a_key() -> None:
    status, headers, body = listed(headers=[])
    assert (status, body["error"]["code"]) == (401, "missing_api_key")
    assert headers[b"x-should-retry"] == b"false"


def test_one_model() -> None:
    directory = ModelDirectory(Stage().relay)
    status, _, body = directory.model("m", HEADERS, "127.0.0.1")
    assert (status, msgspec.json.decode(body)["id"]) == (200, "m")
    status, _, body = directory.model("vendor-m", HEADERS, "127.0.0.1")
    assert (status, msgspec.json.decode(body)["error"]["code"]) == (404, "model_not_found")
    assert directory.model("m", [], "127.0.0.1")[0] == 401


def test_an_answer_is_identified_by_the_callers_label_or_an_id_of_ours() -> None:
    directory = ModelDirectory(Stage().relay)
    assert dict(directory.identify([(b"x-request-id", b"mine")]))[b"x-request-id"] == b"mine"
    assert dict(directory.identify([]))[b"x-request-id"].startswith(b"px_")
    assert b"openai-processing-ms" in dict(directory.identify([]))
