"""Hand-written answers of Suno upstreams, from WIRE 2: what each dialect says of the same clips.

They share no code with the relay's codecs, so that one cannot hide the other's mistake.
"""

import json
from typing import Any, Literal

Dialect = Literal["native", "task", "flat"]

TASK_STATUSES = {
    "submitted": "SUBMITTED",
    "queued": "QUEUED",
    "streaming": "IN_PROGRESS",
    "complete": "SUCCESS",
    "error": "FAILURE",
}


def clip(clip_id: str, status: str = "submitted", metadata: dict[str, Any] | None = None, **members: Any) -> Any:
    """A native clip, with the operator's account all over it."""
    return {
        "id": clip_id,
        "video_url": f"https://cdn1.suno.ai/{clip_id}.mp4",
        "audio_url": f"https://cdn1.suno.ai/{clip_id}.mp3",
        "image_url": f"https://cdn2.suno.ai/image_{clip_id}.jpeg",
        "image_large_url": f"https://cdn2.suno.ai/image_large_{clip_id}.jpeg",
        "is_video_pending": False,
        "major_model_version": "v5",
        "model_name": "chirp-crow",
        "metadata": {
            "tags": "salsa",
            "negative_tags": "metal",
            "prompt": "[Verse]\n\nLa la",
            "gpt_description_prompt": None,
            "audio_prompt_id": None,
            "history": None,
            "concat_history": None,
            "type": "gen",
            "duration": 61.5,
            "refund_credits": False,
            "stream": True,
            "error_type": None,
            "error_message": None,
            **(metadata or {}),
        },
        "is_liked": False,
        "user_id": "0e5e241a-ead6-435d-bea8-526c77c04c72",
        "display_name": "OperatorRobot6855",
        "handle": "operatorrobots6855",
        "is_handle_updated": False,
        "avatar_image_url": "https://cdn1.suno.ai/operator-avatar.jpg",
        "is_trashed": False,
        "reaction": None,
        "created_at": "2026-09-21T09:43:21.637Z",
        "status": status,
        "title": "Weekend",
        "play_count": 7,
        "upvote_count": 0,
        "is_public": False,
        **members,
    }


def audio_info(given: dict[str, Any]) -> dict[str, Any]:
    """The clip as gcui-art/suno-api flattens it."""
    metadata = given["metadata"]
    top = ("id", "title", "image_url", "audio_url", "video_url", "created_at", "model_name", "status")
    inner = ("gpt_description_prompt", "prompt", "type", "tags", "negative_tags", "duration", "error_message")
    return {
        **{name: given[name] for name in top},
        "lyric": metadata["prompt"],
        **{name: metadata[name] for name in inner},
    }


def accepted(dialect: Dialect, clips: list[Any], *, name: str = "batch", concat: bool = False) -> bytes:
    """The answer to a submission of a song. `name` is that of the batch or the task."""
    if dialect == "task":
        return json.dumps({"code": "success", "message": "", "data": name}).encode()
    if concat:
        return json.dumps(clips[0]).encode()
    if dialect == "flat":
        return json.dumps([audio_info(item) for item in clips]).encode()
    batch = {"id": name, "clips": clips, "metadata": clips[0]["metadata"], "status": "complete", "batch_size": 2}
    return json.dumps(batch).encode()


def polled(dialect: Dialect, clips: list[Any], *, name: str = "batch", action: str = "MUSIC") -> bytes:
    """The answer to a poll of one song."""
    if dialect == "native":
        return json.dumps(clips).encode()
    if dialect == "flat":
        return json.dumps([audio_info(item) for item in clips]).encode()
    return json.dumps({"code": "success", "message": "", "data": [task(clips, name=name, action=action)]}).encode()


def task(clips: list[Any], *, name: str, action: str = "MUSIC", **members: Any) -> dict[str, Any]:
    """A task of Suno-API, with what new-api adds. Of two clips, one that is not complete tells the status."""
    statuses = [item["status"] for item in clips]
    status = next((word for word in statuses if word != "complete"), "complete")
    return {
        "task_id": name,
        "action": action,
        "status": TASK_STATUSES[status],
        "fail_reason": "",
        "submit_time": 1716191749,
        "start_time": 1716191786,
        "finish_time": 0,
        "progress": "0%",
        "user_id": 17,
        "group": "operators",
        "channel_id": 4,
        "quota": 50000,
        "data": clips,
        **members,
    }


def lyrics(dialect: Dialect, text: str, title: str, *, name: str = "lyrics-id", status: str = "complete") -> bytes:
    """Lyrics: the answer to a poll, or in the flat dialect to the submission."""
    said = {"text": text, "title": title, "status": status}
    if dialect == "native":
        return json.dumps(said).encode()
    if dialect == "flat":
        return json.dumps(said).encode()
    done = {"task_id": name, "action": "LYRICS", "status": TASK_STATUSES[status], "fail_reason": ""}
    return json.dumps({"code": "success", "message": "", "data": [{**done, "data": {"id": name, **said}}]}).encode()
