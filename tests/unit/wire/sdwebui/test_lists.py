import json
from typing import Any

import pytest

from polyrelay.wire.dialect import Garbled
from polyrelay.wire.sdwebui import lists


def cleaned(name: str, value: Any) -> Any:
    return json.loads(lists.cleaned(name, json.dumps(value).encode()))


def test_models_are_those_of_the_relay() -> None:
    (found,) = json.loads(lists.models(["sdxl"]))
    assert found == {
        "title": "sdxl",
        "model_name": "sdxl",
        "filename": "sdxl",
        "hash": None,
        "sha256": None,
        "config": None,
    }


def test_samplers_and_schedulers_come_as_they_are() -> None:
    samplers = [{"name": "Euler a", "aliases": ["k_euler_a"], "options": {"uses_ensd": "True"}}]
    assert cleaned("samplers", samplers) == samplers
    schedulers = [{"name": "karras", "label": "Karras", "aliases": None, "default_rho": 7.0, "need_inner_model": False}]
    assert cleaned("schedulers", schedulers) == schedulers


def test_nobody_is_told_where_files_are() -> None:
    upscaler = {"name": "4x", "model_name": "4x", "model_path": "/srv/4x.pth", "model_url": "http://x", "scale": 4.0}
    assert cleaned("upscalers", [upscaler]) == [{**upscaler, "model_path": None, "model_url": None}]


def test_progress_shows_how_far_and_nothing_of_whose_picture_it_is() -> None:
    state = {
        "skipped": False,
        "interrupted": False,
        "stopping_generation": False,
        "job": "Batch 1 out of 2 of somebody",
        "job_count": 2,
        "job_timestamp": "20261121",
        "job_no": 1,
        "sampling_step": 7,
        "sampling_steps": 20,
        "later": "member",
    }
    found = cleaned(
        "progress",
        {"progress": 0.35, "eta_relative": 3.1, "state": state, "current_image": "iVBOR", "textinfo": "secret"},
    )
    assert found == {
        "progress": 0.35,
        "eta_relative": 3.1,
        "state": {**{name: value for name, value in state.items() if name != "later"}, "job": "", "job_timestamp": ""},
        "current_image": None,
        "textinfo": None,
    }


@pytest.mark.parametrize("name", lists.PATHS)
@pytest.mark.parametrize("body", [b"", b"7", b"<html>", b"\xff", b'[{"no":"name"}]'])
def test_what_is_no_list_is_garbled(name: str, body: bytes) -> None:
    with pytest.raises(Garbled):
        lists.cleaned(name, body)
