"""A relay's life: it starts, takes up new configuration, and ends, without breaking what is under way."""

import json
import signal
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support import raw
from support.processes import RelayProcess, Vendor, channel, http, prices, relay, until

SIGNALS = [signal.SIGTERM, signal.SIGINT]


def server(folder: Path, drain_seconds: float = 3) -> str:
    return f'[server]\nport = 0\ndata = "{folder / "data"}"\ndrain_seconds = {drain_seconds}\n'


def one_channel(vendor: Vendor, models: str = '{ name = "m", upstream = "vendor-m" }') -> str:
    return channel("main", vendor.base_url, models)


def accepts(served: RelayProcess) -> bool:
    parts = urlsplit(served.url)
    with socket.socket() as probe:
        return probe.connect_ex((parts.hostname or "", parts.port or 0)) == 0


def events(answer: bytes) -> list[str]:
    """The data of each SSE frame of a raw chunked answer."""
    return [line.removeprefix("data: ") for line in answer.decode().splitlines() if line.startswith("data: ")]


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_at_sigterm_what_is_open_finishes_and_nothing_new_begins(fresh: Vendor, tmp_path: Path) -> None:
    fresh.script("vendor-m", tokens=40, pace="20ms")
    with (
        relay(tmp_path, one_channel(fresh)) as served,
        raw.connected(served) as streaming,
        raw.connected(served) as idle,
        raw.connected(served) as half,
        raw.connected(served) as probing,
    ):
        idle.send(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n")
        idle.read_until(b'"ok"')
        request = raw.chat(served.key, stream=False)
        half.send(request[:-5])
        probing.send(b"GET /readyz HTTP/1.1\r\nhost: x\r\n")
        streaming.send(raw.chat(served.key, label="finishes"))
        streaming.read_until(b"data: ", 3)

        served.process.popen.send_signal(signal.SIGTERM)
        until(lambda: not accepts(served))
        assert b"connection: close" not in idle.read_to_end()
        half.send(request[-5:])
        probing.send(b"\r\n")

        answer = half.read_to_end()
        assert answer.startswith(b"HTTP/1.1 200 ")
        assert b"connection: close\r\n" in answer
        answer = probing.read_to_end()
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"connection: close\r\n" in answer
        assert b"shutting down" in answer
        assert events(streaming.read_to_end())[-1] == "[DONE]"
        assert served.process.popen.wait(10) == 0
        assert served.record("finishes")["outcome"] == "complete"


def test_after_the_drain_deadline_open_answers_end_honestly(fresh: Vendor, tmp_path: Path) -> None:
    fresh.script("vendor-m", tokens=60, stall=1500)
    fresh.script("vendor-silent", before="stall")
    models = '{ name = "m", upstream = "vendor-m" }, { name = "silent", upstream = "vendor-silent" }'
    with (
        relay(tmp_path, server(tmp_path, 0.3) + one_channel(fresh, models)) as served,
        raw.connected(served) as streaming,
        raw.connected(served) as waiting,
    ):
        streaming.send(raw.chat(served.key, label="cut-off"))
        streaming.read_until(b"data: ", 3)
        waiting.send(raw.chat(served.key, "silent", stream=False))
        until(lambda: fresh.state()["exchanges_active"] == 2)
        served.process.popen.send_signal(signal.SIGTERM)

        told = events(streaming.read_to_end())
        assert json.loads(told[-1])["error"]["code"] == "shutting_down"
        assert "[DONE]" not in told
        assert streaming.seen.endswith(b"\r\n0\r\n\r\n")
        head, _, body = waiting.read_to_end().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nretry-after: 1" in head
        assert json.loads(body)["error"]["code"] == "shutting_down"
        assert served.process.popen.wait(5) == 0
        record = served.record("cut-off")
        assert (record["outcome"], record["estimated"]) == ("truncated", True)


@pytest.mark.parametrize("second", SIGNALS)
def test_a_second_signal_ends_at_once(second: signal.Signals, fresh: Vendor, tmp_path: Path) -> None:
    fresh.script("vendor-m", tokens=60, stall=1500)
    config = server(tmp_path, 60) + one_channel(fresh)
    with relay(tmp_path, config) as served, raw.connected(served) as streaming:
        streaming.send(raw.chat(served.key, label="abandoned"))
        streaming.read_until(b"data: ", 3)
        served.process.popen.send_signal(signal.SIGTERM)
        until(lambda: not accepts(served))
        served.process.popen.send_signal(second)
        assert served.process.popen.wait(5) == 0
        assert "[DONE]" not in events(streaming.read_to_end())


# ── new configuration ────────────────────────────────────────────────────────────────────────────────────────────


def models(served: RelayProcess) -> list[str]:
    answer = http.get(f"{served.base_url}/models", headers={"authorization": f"Bearer {served.key}"})
    return [model["id"] for model in answer.json()["data"]]


def test_an_edited_file_is_taken_up_and_open_streams_go_on_under_the_old_one(fresh: Vendor, tmp_path: Path) -> None:
    fresh.script("vendor-m", tokens=150, pace="20ms")
    with relay(tmp_path, one_channel(fresh)) as served, raw.connected(served) as streaming:
        assert models(served) == ["m"]
        streaming.send(raw.chat(served.key, label="older"))
        streaming.read_until(b"data: ", 3)
        before = served.config.read_text().partition("[[channels]]")[0]
        after = channel("next", fresh.base_url, '{ name = "n", upstream = "vendor-n" }')
        after += f"[answers]\nreveal_channel = true\n[bounds]\nbody_bytes = 400\nheader_bytes = 2000\n{prices(after)}"
        served.config.write_text(before + after)
        until(lambda: models(served) == ["n"])

        assert served.ask().json()["error"]["code"] == "model_not_found"
        answer = served.ask("n")
        assert (answer.status_code, answer.headers["x-polyrelay-channel"]) == (200, "next")
        assert served.ask("n", user="u" * 400).status_code == 413
        long = http.get(f"{served.url}/healthz", headers={"x-long": "x" * 3000})
        assert long.status_code == 431
        assert events(streaming.read_until(b"[DONE]"))[-1] == "[DONE]"
        record = served.record("older")
        assert (record["channel"], record["outcome"]) == ("main", "complete")


def test_sighup_reads_everything_again(fresh: Vendor, tmp_path: Path) -> None:
    """A credential's file is not watched, so this is the signal's doing."""
    secret = tmp_path / "vendor.key"
    secret.write_text("first-secret\n")
    config = one_channel(fresh).replace('{ value = "sandbox-secret-main" }', '{ file = "vendor.key" }')
    with relay(tmp_path, config) as served:

        def sent() -> str:
            assert served.ask().status_code == 200
            return str(dict(fresh.requests()[-1]["headers"])["authorization"])

        assert sent() == "Bearer first-secret"
        secret.write_text("second-secret\n")
        assert sent() == "Bearer first-secret"
        served.process.popen.send_signal(signal.SIGHUP)
        until(lambda: sent() == "Bearer second-secret")
        assert "-secret" not in served.process.log.read_text()


def test_a_wrong_file_changes_nothing_and_says_why(fresh: Vendor, tmp_path: Path) -> None:
    with relay(tmp_path, one_channel(fresh)) as served:
        right = served.config.read_text()
        wrong = right.replace('name = "m"', 'name = "n"').replace('name = "main"', 'name = "main"\nwieght = 2')
        served.config.write_text(wrong + '[log]\nlevel = "loud"\n')
        until(lambda: "not reloaded" in served.process.log.read_text())
        lines = [json.loads(line) for line in served.process.log.read_text().splitlines()]
        (said,) = [line["message"] for line in lines if "not reloaded" in str(line.get("message"))]
        assert f"{served.config}:" in said
        assert "channels[0].wieght: unknown key; allowed: did you mean weight?" in said
        assert 'log.level: found "loud"; allowed: debug, info, warning or error' in said
        assert models(served) == ["m"]
        assert served.ask().status_code == 200

        served.config.write_text(right.replace('name = "m"', 'name = "n"'))
        until(lambda: models(served) == ["n"])


def test_server_settings_wait_for_the_next_start(fresh: Vendor, tmp_path: Path) -> None:
    with relay(tmp_path, one_channel(fresh)) as served:
        served.config.write_text(served.config.read_text().replace("port = 0", "port = 1"))
        until(lambda: "take effect at the next start" in served.process.log.read_text())
        assert served.ask().status_code == 200


# ── a second life ────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_next_run_on_the_same_data_knows_the_keys(fresh: Vendor, tmp_path: Path) -> None:
    with relay(tmp_path, one_channel(fresh)) as first:
        assert first.ask().status_code == 200
    with relay(tmp_path, one_channel(fresh)) as second:
        assert second.ask(key=first.key).status_code == 200
        assert second.ask().status_code == 200
