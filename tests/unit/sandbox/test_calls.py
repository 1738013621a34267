import pytest

from polyrelay.sandbox.calls import Route, Table
from polyrelay.sandbox.framing import Reply
from polyrelay.sandbox.premises import Premises
from polyrelay.sandbox.surfaces import OPENAI


def route(method: str, path: str) -> Route:
    return Route(method, path, OPENAI, lambda _: Reply(200, (), []))


ANY, FIXED, NAMED = route("POST", "*/images/edits"), route("GET", "/api/get"), route("GET", "*/videos/{id}")
TABLE = Table([ANY, FIXED, NAMED])


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/v1/images/edits", ANY),
        ("/images/edits", ANY),
        ("/api/ai/images/edits/", ANY),
        ("/v1images/edits", None),
        ("/v1/images/edits/more", None),
        ("v1/images/edits", None),
    ],
)
def test_any_prefix(path: str, found: Route | None) -> None:
    assert TABLE.find("POST", path)[0] is found


def test_names_in_the_path() -> None:
    found, names, _ = TABLE.find("GET", "/v1/videos/video_1")
    assert (found, names) == (NAMED, {"id": "video_1"})
    assert TABLE.find("GET", "/v1/videos/a/b")[0] is None


def test_the_wrong_method_is_told_from_the_wrong_path() -> None:
    assert TABLE.find("DELETE", "/api/get") == (None, {}, True)
    assert TABLE.find("GET", "/api/got") == (None, {}, False)
    assert TABLE.find("GET", "/x/api/get") == (None, {}, False)


def test_no_call_of_the_sandbox_hides_another() -> None:
    routes = Premises(lambda: 0.0).routes()
    table = Table(routes)
    for wanted in routes:
        path = wanted.place.replace("{", "").replace("}", "")
        assert table.find(wanted.method, path)[0] is wanted
        assert table.find(wanted.method, path + "/")[0] is wanted
