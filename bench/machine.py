"""What the kernel knows: processor time and memory of a process tree, the machine, free ports. Linux only (`/proc`)."""

import contextlib
import os
import platform
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

GATEWAY_CORE = 0
LOAD_CORE = 1
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_PEAK_RESET = "5"  # proc(5), /proc/PID/clear_refs: reset the peak resident size


def pinned(core: int, command: list[str]) -> list[str]:
    """The command line that runs `command` on one core; the process keeps its id through the exec."""
    return ["taskset", "-c", str(core), *command]


def free_port() -> int:
    """A TCP port that was free on loopback a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def family(pid: int) -> list[int]:
    """The process and all its living descendants."""
    found = [pid]
    with contextlib.suppress(OSError):
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            for child in children.read_text().split():
                found += family(int(child))
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of the processes so far, in seconds (resolution: one tick, 10 ms)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])  # utime, stime: proc(5) fields 14 and 15
    return total / TICKS_PER_SECOND


def resident_mb(pids: Iterable[int], *, peak: bool = False) -> float:
    """Resident memory of the processes together, in MB; `peak` since `reset_peak`. Shared pages count in each."""
    label = "VmHWM:" if peak else "VmRSS:"
    lines: list[str] = []
    for pid in pids:
        with contextlib.suppress(OSError):
            lines += Path(f"/proc/{pid}/status").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(label)) / 1024


def reset_peak(pids: Iterable[int]) -> None:
    """Start a new peak for `resident_mb(peak=True)`."""
    for pid in pids:
        with contextlib.suppress(OSError):
            Path(f"/proc/{pid}/clear_refs").write_text(_PEAK_RESET)


def core_busy_seconds(core: int) -> float:
    """Time the core has been anything but idle since boot, in seconds, whoever used it."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *fields = line.split()
        if name == f"cpu{core}":
            idle = int(fields[3]) + int(fields[4])  # idle, iowait
            return (sum(map(int, fields[:8])) - idle) / TICKS_PER_SECOND
    raise RuntimeError(f"this machine has no core {core}; the benchmark needs two")


@dataclass(frozen=True, slots=True)
class Machine:
    """Where figures come from."""

    cpu: str
    cores: int
    memory_gb: float
    kernel: str
    python: str
    load_average: str

    @classmethod
    def here(cls) -> "Machine":
        """This machine, now."""
        models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        return cls(
            cpu=models[0].partition(":")[2].strip() if models else platform.machine(),
            cores=os.cpu_count() or 1,
            memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3, 1),
            kernel=platform.release(),
            python=platform.python_version(),
            load_average=" ".join(f"{load:.2f}" for load in os.getloadavg()),
        )
