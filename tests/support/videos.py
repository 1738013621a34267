"""Hand-written answers of video upstreams, from WIRE 1.9 and 4.3. They share no code with the relay's codecs."""

import json
from typing import Any, Literal

Dialect = Literal["openai", "aitoearn"]

WORDS: dict[Dialect, dict[str, str]] = {
    "openai": {"queued": "queued", "running": "in_progress", "done": "completed", "failed": "failed"},
    "aitoearn": {"queued": "QUEUED", "running": "InProgress", "done": "SUCCESS", "failed": "FAILURE"},
}


def video(dialect: Dialect, name: str, state: str, *, url: str | None = None, why: str = "", **more: Any) -> bytes:
    """What an upstream says of the video `name` in `state` (queued, running, done, failed)."""
    status = WORDS[dialect][state]
    if dialect == "openai":
        error = {"code": "moderation_blocked", "message": why} if why else None
        return json.dumps({**_openai(name, status), "url": url, "error": error, **more}).encode()
    task = {**_task(name, status), **({"videoUrl": url} if url else {}), **({"error": {"message": why}} if why else {})}
    return json.dumps({"data": {**task, **more}, "code": 0, "message": "ok", "requestId": "up-request"}).encode()


def _openai(name: str, status: str) -> dict[str, Any]:
    return {
        "id": name,
        "object": "video",
        "model": "sora-2",
        "status": status,
        "progress": 40,
        "created_at": 1_758_941_485,
        "completed_at": None,
        "expires_at": 1_759_000_000,
        "prompt": "a cat",
        "seconds": "8",
        "size": "1280x720",
        "remixed_from_video_id": None,
    }


def _task(name: str, status: str) -> dict[str, Any]:
    return {
        "id": name,
        "model": "sora-2",
        "status": status,
        "input": {"prompt": "a cat"},
        "submittedAt": "2026-01-01T00:00:00.000Z",
        "startedAt": "2026-01-01T00:00:01.000Z",
    }
