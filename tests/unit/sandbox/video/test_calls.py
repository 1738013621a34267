import struct
from typing import Any

import pytest

from polyrelay.sandbox.images import picture
from support.counter import HOST, Form, Front

VIDEOS, TASKS = "/v1/videos", "/api/ai/video/generations"
PNG = picture.draw(picture.digest_of("before"), 5, 64, 64)


def length_of(film: bytes) -> float:
    """Seconds, by the `mvhd` box."""
    at = film.index(b"mvhd") + 4
    scale, length = struct.unpack_from(">II", film, at + 12)
    return float(length / scale)


def frame_of(film: bytes) -> tuple[str, int]:
    """What the first frame says, found as the sample tables tell."""
    (size,) = struct.unpack_from(">I", film, film.index(b"stsz") + 8)
    (at,) = struct.unpack_from(">I", film, film.index(b"stco") + 12)
    return picture.read_back(film[at : at + size])


def test_a_video_from_submission_to_the_end() -> None:
    front = Front()
    made = front.post(VIDEOS, {"prompt": "a cat", "seconds": "8", "size": "1280x720"}).json
    assert (made["object"], made["status"], made["model"], made["seconds"]) == ("video", "queued", "sora-2", "8")
    path, born, seen = f"{VIDEOS}/{made['id']}", front.now, []
    for age in (0.0, 0.1, 0.2, 0.31):
        front.now = born + age
        video = front.get(path).json
        seen.append((video["status"], video["progress"]))
        assert front.get(f"{path}/content").status == (200 if video["status"] == "completed" else 404)
    assert [status for status, _ in seen] == ["queued", "queued", "in_progress", "completed"]
    assert [progress for _, progress in seen] == sorted(progress for _, progress in seen)
    assert (video["completed_at"], video["expires_at"]) == (int(born + 0.3), int(born + 0.3) + 86_400)


def test_the_file_and_its_stills() -> None:
    front = Front()
    made = front.post(VIDEOS, {"prompt": "a cat", "seconds": "4", "size": "720x1280"}).json
    front.now += 1
    path = f"{VIDEOS}/{made['id']}/content"
    film = front.get(path)
    assert (film.headers["content-type"], length_of(film.body)) == ("video/mp4", 4.0)
    assert frame_of(film.body)[0] == picture.digest_of("a cat")
    for variant, kind in (("thumbnail", "image/webp"), ("spritesheet", "image/jpeg")):
        still = front.get(f"{path}?variant={variant}")
        assert (still.headers["content-type"], picture.size_of(still.body)) == (kind, (720, 1280))
    assert front.get(f"{path}?variant=other").status == 400


def test_a_reference_picture_and_a_form() -> None:
    front = Front()
    front.board.put(VIDEOS, "seconds=1.5")
    form = Form(("prompt", "a cat"), ("model", "sora-2-pro"), ("input_reference", "a.png", PNG))
    made = front.post(VIDEOS, form).json
    front.now += 1
    film = front.get(f"{VIDEOS}/{made['id']}/content").body
    assert (made["model"], length_of(film)) == ("sora-2-pro", 1.5)
    assert frame_of(film) == (picture.digest_of("a cat"), picture.seed_of(PNG))
    assert front.post(VIDEOS, {"prompt": "x", "input_reference": {"file_id": "file-1"}}).status == 200


def test_remix_delete_and_list() -> None:
    front = Front()
    first = front.post(VIDEOS, {"prompt": "one"}).json
    second = front.post(f"{VIDEOS}/{first['id']}/remix", {"prompt": "two"}).json
    third = front.post(VIDEOS, {"prompt": "three"}).json
    front.post(TASKS, {"model": "m", "prompt": "another surface"})
    assert (second["remixed_from_video_id"], second["prompt"]) == (first["id"], "two")
    page = front.get(f"{VIDEOS}?limit=2").json
    assert ([video["id"] for video in page["data"]], page["has_more"]) == ([third["id"], second["id"]], True)
    rest = front.get(f"{VIDEOS}?limit=2&after={page['last_id']}").json
    assert ([video["id"] for video in rest["data"]], rest["has_more"]) == ([first["id"]], False)
    assert front.get(f"{VIDEOS}?order=asc").json["first_id"] == first["id"]
    gone = front.ask("DELETE", f"{VIDEOS}/{second['id']}").json
    assert gone == {"id": second["id"], "object": "video.deleted", "deleted": True}
    assert front.get(f"{VIDEOS}/{second['id']}").status == 404


def test_failures() -> None:
    front = Front()
    front.board.put("sora-2", "video=error")
    made = front.post(VIDEOS, {"prompt": "x"}).json
    front.now += 1
    video = front.get(f"{VIDEOS}/{made['id']}").json
    assert (video["status"], video["completed_at"], set(video["error"])) == ("failed", None, {"code", "message"})


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "prompt"),
        ({"prompt": ""}, "prompt"),
        ({"prompt": "x", "seconds": "5"}, "seconds"),
        ({"prompt": "x", "seconds": 4}, "seconds"),
        ({"prompt": "x", "size": "1x1"}, "size"),
        (Form(("prompt", "x"), ("input_reference", "a.png", b"no picture")), "input_reference"),
    ],
)
def test_what_videos_refuse(body: object, param: str) -> None:
    answer = Front().post(VIDEOS, body)
    assert (answer.status, answer.json["error"]["param"]) == (400, param)


def test_limits_of_lists() -> None:
    assert [Front().get(f"{VIDEOS}?limit={limit}").status for limit in ("0", "1", "100", "101", "x")] == [
        400,
        200,
        200,
        400,
        400,
    ]


# ── AiToEarn ─────────────────────────────────────────────────────────────────────────────────────────────────────


def data(answer: Any) -> Any:
    assert (answer.status, answer.json["code"], answer.json["message"]) == (200, 0, "请求成功")
    return answer.json["data"]


def code(answer: Any) -> Any:
    assert (answer.status, answer.json["data"]) == (200, {})
    return answer.json["code"]


def test_a_task_from_submission_to_the_end() -> None:
    front = Front()
    body = {"model": "kling", "prompt": "a cat", "duration": 3, "resolution": "480p", "ratio": "9:16", "seed": 1}
    made = data(front.post(TASKS, body))
    assert made["status"] == "SUBMITTED"
    assert len(made["id"]) == 24
    born, seen = front.now, []
    for age in (0.0, 0.1, 0.2, 0.31):
        front.now = born + age
        task = data(front.get(f"{TASKS}/{made['id']}"))
        seen.append((task["status"], "videoUrl" in task, "finishedAt" in task, task["startedAt"] is not None))
    assert seen == [
        ("SUBMITTED", False, False, False),
        ("QUEUED", False, False, False),
        ("InProgress", False, False, True),
        ("SUCCESS", True, True, True),
    ]
    assert task["input"] == {name: value for name, value in body.items() if name != "model"}
    film = front.get(task["videoUrl"].removeprefix(HOST)).body
    assert (length_of(film), frame_of(film)[0]) == (3.0, picture.digest_of("a cat"))
    assert picture.size_of(front.get(task["coverUrl"].removeprefix(HOST)).body) == (480, 853)


def test_the_request_id_is_echoed() -> None:
    answer = Front().get(TASKS, headers={"x-request-id": "mine"})
    assert answer.json["requestId"] == "mine"


def test_a_task_that_fails() -> None:
    front = Front()
    made = data(front.post(TASKS, {"model": "sandbox:video=error", "prompt": "x"}))
    front.now += 1
    task = data(front.get(f"{TASKS}/{made['id']}"))
    assert (task["status"], bool(task["error"]["message"]), "videoUrl" in task) == ("FAILURE", True, False)


def test_pages_of_tasks() -> None:
    front = Front()
    made = [data(front.post(TASKS, {"model": "m", "prompt": str(number)}))["id"] for number in range(5)]
    front.post(VIDEOS, {"prompt": "another surface"})
    page = data(front.get(f"{TASKS}?page=2&pageSize=2"))
    assert [task["id"] for task in page["list"]] == [made[2], made[1]]
    assert (page["page"], page["pageSize"], page["totalPages"], page["total"]) == (2, 2, 3, 5)


def test_codes() -> None:
    front = Front()
    assert code(front.post(TASKS, {"prompt": "x"})) == 10002
    assert code(front.post(TASKS, {"model": "m"})) == 10002
    assert code(front.post(TASKS, {"model": "m", "prompt": "x" * 4001})) == 10002
    assert code(front.post(TASKS, {"model": "m", "prompt": "x", "duration": 0})) == 10002
    assert code(front.post(TASKS, b"{")) == 10002
    assert code(front.get(f"{TASKS}/short")) == 10002
    assert code(front.get(f"{TASKS}/{'0' * 24}")) == 12302
    assert code(front.get(f"{TASKS}?page=0")) == 10002
    front.board.put(TASKS, "code=12001")
    assert code(front.post(TASKS, {"model": "m", "prompt": "x"})) == 12001


def test_films_that_are_not_there() -> None:
    front = Front()
    made = data(front.post(TASKS, {"model": "m", "prompt": "x"}))["id"]
    assert [front.get(f"/media/films/{name}").status for name in (f"{made}.mp4", "x.mp4")] == [404, 404]
    front.now += 1
    endings = [front.get(f"/media/films/{made}.{ending}").status for ending in ("mp4", "jpeg", "avi")]
    assert endings == [200, 200, 404]


@pytest.mark.parametrize(
    ("asked", "size"),
    [
        ({}, (1280, 720)),
        ({"size": "640x360"}, (640, 360)),
        ({"size": "1080p"}, (1920, 1080)),
        ({"resolution": "480p", "ratio": "1:1"}, (480, 480)),
        ({"ratio": "nonsense"}, (1280, 720)),
        ({"size": "99999x1"}, (1280, 720)),
    ],
)
def test_sizes_of_tasks(asked: dict[str, str], size: tuple[int, int]) -> None:
    front = Front()
    made = data(front.post(TASKS, {"model": "m", "prompt": "x", **asked}))["id"]
    front.now += 1
    assert picture.size_of(front.get(f"/media/films/{made}.jpeg").body) == size
