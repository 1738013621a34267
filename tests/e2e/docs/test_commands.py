"""Every command in the documents does what it says: the blocks of a page are run as they stand, in order.

The second word after a fence says how: `sh test` and `python test` run to the end, `sh serve` is left running,
`sh setup` is a set-up command (CI itself runs those), and any other word names the file the block is written to.
"""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGES = sorted(page.relative_to(ROOT).as_posix() for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")))
VENDOR, WEBUI, SONGS = "https://api.example.com/v1", "http://127.0.0.1:7860", "https://songs.example.com"
"""Documented addresses of vendors, for which the sandbox stands."""
START_SECONDS = 30
BLOCK_SECONDS = 60

_BLOCK = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: the first word after the fence is its language, the second says what a test does with it."""

    language: str
    use: str
    text: str


def blocks(page: str) -> list[Block]:
    found = _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [Block(info.partition(" ")[0], info.partition(" ")[2], text) for info, text in found]


def _with_commands() -> list[str]:
    """The Chinese README has the English one's commands, which another test makes sure of."""
    return [page for page in PAGES if page != "README.zh.md" and any(block.language for block in blocks(page))]


WITH_COMMANDS = _with_commands()


class Terminal:
    """Runs blocks as one person would: in one folder, exports kept, servers left running in other windows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = _free_port()
        self._environment = folder / "environment.sh"
        self._environment.write_text("")
        self._servers: list[subprocess.Popen[str]] = []
        self._vendor: str | None = None

    def localised(self, text: str) -> str:
        """The text with the documented addresses replaced by ones of this test."""
        named = any(address in text for address in (VENDOR, WEBUI, SONGS))
        if named and self._vendor is None:
            self._vendor = self.serve("polyrelay sandbox --port 0")
        host = str(self._vendor).removesuffix("/v1")
        text = text.replace(VENDOR, str(self._vendor)).replace(WEBUI, host).replace(SONGS, host)
        return text.replace("8080", str(self.port)).replace("9100", "0")

    def write(self, name: str, text: str) -> None:
        (self.folder / name).write_text(self.localised(text))

    def run(self, text: str) -> str:
        """Run to the end; its output. Fails unless it exits with 0."""
        script = f"set -e\n. ./environment.sh\n{self.localised(text)}\nexport -p > environment.sh\n"
        done = subprocess.run(
            ["sh", "-c", script],
            cwd=self.folder,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=BLOCK_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def serve(self, text: str) -> str:
        """Start and leave running; the URL it says it is at."""
        with (self.folder / f"server-{len(self._servers)}.log").open("w") as log:
            server = subprocess.Popen(
                ["sh", "-c", f". ./environment.sh\n{self.localised(text)}"],
                cwd=self.folder,
                env=_environment(),
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        self._servers.append(server)
        assert server.stdout is not None
        limit = threading.Timer(START_SECONDS, _end, [server])
        limit.start()
        try:
            found = next((url for line in server.stdout if (url := re.search(r"https?://[^\s,]+", line))), None)
        finally:
            limit.cancel()
        assert found is not None, f"{text} did not start: {self._logs()}"
        return found[0]

    def close(self) -> None:
        for server in reversed(self._servers):
            _end(server)
            server.wait(START_SECONDS)
            if server.stdout is not None:
                server.stdout.close()

    def _logs(self) -> str:
        return "\n".join(path.read_text() for path in sorted(self.folder.glob("server-*.log")))


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    opened = Terminal(tmp_path)
    try:
        yield opened
    finally:
        opened.close()


def _end(server: subprocess.Popen[str]) -> None:
    if server.poll() is None:
        os.killpg(server.pid, signal.SIGTERM)


def _environment() -> dict[str, str]:
    """This environment, with the tools of the interpreter that runs the tests first and no proxy in the way."""
    kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    binaries = str(Path(sys.executable).parent)
    return {**kept, "PATH": f"{binaries}:{kept.get('PATH', '')}:/usr/sbin", "TERM": "dumb"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def execute(block: Block, terminal: Terminal) -> None:
    match block.language, block.use:
        case "sh", "setup":
            assert block.text.strip() in {"sh setup.sh demo", "sh setup.sh test"}
        case "sh", "test":
            terminal.run(block.text)
        case "sh", "serve":
            terminal.serve(block.text)
        case "python", "test":
            terminal.write("example.py", block.text)
            assert terminal.run("python example.py").strip()
        case "sh" | "bash" | "shell" | "console" | "python", other:
            pytest.fail(f"a command that no test runs ({other or 'untagged'}): {block.text}")
        case _, "":
            pass
        case _, name:
            terminal.write(name, block.text)


@pytest.mark.parametrize("page", WITH_COMMANDS)
def test_the_commands_of_a_page(page: str, terminal: Terminal) -> None:
    for block in blocks(page):
        execute(block, terminal)


def test_both_readmes_give_the_same_commands() -> None:
    english, chinese = ([block for block in blocks(page) if block.language] for page in ("README.md", "README.zh.md"))
    assert english == chinese


def test_the_readme_begins_with_exactly_two_setup_commands() -> None:
    used = [block for block in blocks("README.md") if block.language in {"sh", "python"}]
    assert [block.text.strip() for block in used[:2]] == ["sh setup.sh demo", "sh setup.sh test"]
    assert [block.use for block in used].count("setup") == 2


def test_the_demo_answers_once_and_ends(terminal: Terminal) -> None:
    assert "request id" in terminal.run("polyrelay demo --once --port 0")


@pytest.mark.parametrize("page", PAGES)
def test_toml_in_the_documents_is_toml(page: str) -> None:
    for block in blocks(page):
        if block.language == "toml":
            assert tomllib.loads(block.text)


def test_nginx_as_documented_passes_a_stream_on(terminal: Terminal) -> None:
    """The documented server, on a port of this test and without its certificate, with everything else as it stands."""
    for block in blocks("README.md"):
        if (block.language, block.use) != ("python", "test"):
            execute(block, terminal)
    (server,) = (block.text for block in blocks("docs/deployment.md") if block.language == "nginx")
    front = _free_port()
    server = re.sub(r"^\s*ssl_certificate.*$", "", server, flags=re.MULTILINE)
    server = server.replace("listen 443 ssl;", f"listen 127.0.0.1:{front};")
    temporary = "".join(f"{name}_temp_path temp;\n" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    terminal.write(
        "nginx.conf",
        f"daemon off; pid nginx.pid; error_log stderr; events {{}}\nhttp {{ access_log off;\n{temporary}{server}}}\n",
    )
    terminal.serve('nginx -p "$PWD" -c nginx.conf & echo "http://nginx" && wait')
    answer = terminal.run(
        f"""curl --fail-with-body -sS --retry 20 --retry-delay 1 --retry-connrefused \\
        -H "Authorization: Bearer $OPENAI_API_KEY" -H "Content-Type: application/json" \\
        -d '{{"model": "fast", "stream": true, "messages": [{{"role": "user", "content": "Hello"}}]}}' \\
        http://127.0.0.1:{front}/v1/chat/completions"""
    )
    assert answer.rstrip().endswith("data: [DONE]")
