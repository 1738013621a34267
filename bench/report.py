"""`RESULTS.md` from a record."""

from collections.abc import Iterator, Sequence

from goals import STREAM_CASES, UNARY_CASES, US, cliffs_of, goals
from record import START, Record

_SATURATED = 0.95
_PEERS = ("nginx", "tensorzero", "litellm")

_PREAMBLE = """# Speed

Made by `bench/run.py`; do not edit. Every figure is the median of {rounds} interleaved rounds of one run on one
machine.

* date: {began}
* machine: {cpu}, {cores} cores, {memory} GB, Linux {kernel}; load average when it began: {load}
* versions: {versions}
* others' work on the gateway's core: {foreign} of the time (median over all cases); above 5 % the machine is not quiet,
  and times (less so CPU) are not to be trusted
* each contender has core 0 to itself; the load client and both upstreams share core 1, so with two cores the client and
  the upstream compete with each other but never with the gateway. A row marked `~` had core 1 more than 95 % busy: its
  requests per second and times are limited by the load, not by the gateway (its CPU figures are not affected)
* TLS (verified) from every gateway to the upstream; clients speak plain HTTP to gateways, and to the upstream for
  `direct`, so an added time includes the gateway's TLS
* polyrelay: authentication, request, token and concurrency limits, prices and the ledger on (holds and charges in its
  journal, posted to SQLite with a usage record for every exchange). LiteLLM: master key, no database. TensorZero: no
  authentication (needs Postgres), observability off. Portkey: no authentication (keeps no keys). nginx: one worker,
  `proxy_buffering off`, no access log
* CPU is user and system time of the contender's own processes, divided by completed requests or delivered events (a
  stream's set-up is spread over its 64 events)
* `added` is the median less the median of `direct`
"""

_STREAM_NOTE = """Open loop: streams begin on a fixed schedule and the upstream sends on an absolute one, whatever the
gateway does; 64 events a stream. `first` is from the moment the request was due to the first event; `delay` from the
upstream's send stamp in the event to its arrival; `gap` is how much longer the gap between two arrivals is than between
their stamps. `dropped` is the worst round's count of events that had not come 6 s after the schedule's end."""


def _number(value: float | None, digits: int = 3) -> str:
    """Three significant digits, no exponent."""
    if value is None:
        return "-"
    if value == 0:
        return "0"
    if abs(value) >= 10 ** (digits - 1):
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|---|" + "--:|" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def render(record: Record) -> str:
    """The whole document."""
    return "\n".join(_sections(record)).rstrip() + "\n"


def _sections(record: Record) -> Iterator[str]:
    machine = record.machine
    yield _PREAMBLE.format(
        rounds=len(record.rounds),
        began=record.began,
        cpu=machine.cpu,
        cores=machine.cores,
        memory=machine.memory_gb,
        kernel=machine.kernel,
        load=machine.load_average,
        foreign=f"{record.foreign() or 0:.0%}",
        versions=", ".join(f"{name} {version}" for name, version in record.versions.items()),
    )
    if record.quick:
        yield "**A quick run: it shows that the benchmark works, not how fast anything is.**\n"
    yield "## Goals\n"
    yield _table(
        ("goal", "found", "verdict"),
        [
            (goal.promise, _number(goal.found) + (goal.unit if goal.found is not None else ""), goal.verdict)
            for goal in goals(record)
        ],
    )
    yield "## CPU and requests per second\n"
    yield _overview(record)
    yield "## Unary requests\n"
    for case in (*UNARY_CASES, "body-100k", "body-5m"):
        if case in record.cases:
            yield f"### {record.cases[case]}\n"
            yield _unary(record, case)
    yield "## Streams\n"
    yield _STREAM_NOTE + "\n"
    for case in STREAM_CASES:
        if case in record.cases:
            yield f"### {record.cases[case]}\n"
            yield _streams(record, case)
    if "stall-20m" in record.cases:
        yield f"## {record.cases['stall-20m']}\n"
        yield _stall(record)
    yield "## Start-up and memory\n"
    yield _starts(record)
    yield "## The 40 ms cliff\n"
    yield "Added times between 35 and 50 ms under light load, which are Nagle's algorithm and not work:\n"
    yield "\n".join(f"* {name}: {', '.join(cliffs_of(record, name)) or 'none'}" for name in record.entrants) + "\n"
    troubles = [f"* {name}: {trouble}" for name, each in record.entrants.items() for trouble in each.trouble]
    if troubles:
        yield "## Trouble\n"
        yield "\n".join(troubles) + "\n"


def _rows(record: Record, case: str) -> list[str]:
    return [name for name in record.entrants if any(True for _ in record.samples(name, case, "load_core_busy"))]


def _mark(record: Record, name: str, case: str) -> str:
    busy = record.median(name, case, "load_core_busy") or 0
    return record.entrants[name].title + (" ~" if busy > _SATURATED else "")


def _overview(record: Record) -> str:
    """Ratios of our costs to those we compare with."""
    rows = []
    for case in (*UNARY_CASES, "body-100k", "body-5m", *STREAM_CASES):
        if case not in record.cases:
            continue
        row = [record.cases[case], _number(record.median(US, case, "cpu_us"))]
        row += [_number(record.ratio(US, peer, case, "cpu_us")) for peer in _PEERS]
        row += [_number(record.ratio(US, peer, case, "rps")) for peer in _PEERS]
        rows.append(row)
    head = ["case", "our CPU, µs"]
    head += [f"CPU as a multiple of {peer}" for peer in _PEERS]
    head += [f"requests per second as a multiple of {peer}" for peer in _PEERS]
    return _table(head, rows)


def _unary(record: Record, case: str) -> str:
    rows = [
        (
            _mark(record, name, case),
            _number(record.median(name, case, "rps")),
            _number(record.median(name, case, "p50_ms")),
            _number(record.median(name, case, "p99_ms")),
            _number(record.added(name, case, "p50_ms")),
            _number(record.added(name, case, "p99_ms")),
            _number(record.median(name, case, "cpu_us")),
            _number(record.ratio(name, "nginx", case, "cpu_us")),
            _number(record.worst(name, case, "failed")),
        )
        for name in _rows(record, case)
    ]
    head = ("", "requests/s", "p50 ms", "p99 ms", "added p50", "added p99", "CPU µs/request", "x nginx", "failed")
    return _table(head, rows)


def _streams(record: Record, case: str) -> str:
    added = ("first_p50_ms", "first_p99_ms", "transit_p50_ms", "transit_p99_ms", "stretch_p99_ms")
    rows = [
        (
            _mark(record, name, case),
            *(_number(record.added(name, case, figure)) for figure in added),
            _number(record.worst(name, case, "dropped")),
            _number(record.worst(name, case, "refused")),
            _number(record.median(name, case, "cpu_us")),
            _number(record.ratio(name, "nginx", case, "cpu_us")),
        )
        for name in _rows(record, case)
    ]
    direct = ", ".join(
        f"{figure.removesuffix('_ms').replace('_', ' ')} {_number(record.median('direct', case, figure))}"
        for figure in added
    )
    head = ("", "first p50 ms", "first p99", "delay p50", "delay p99", "gap p99", "dropped", "refused streams")
    table = _table((*head, "CPU µs/event", "x nginx"), rows)
    return f"Times are added to direct's own (ms: {direct}).\n\n{table}"


def _stall(record: Record) -> str:
    case = "stall-20m"
    rows = []
    for name, each in record.entrants.items():
        gap, body, answered, sent = (
            record.median(name, case, figure) for figure in ("stall_ms", "body_ms", "answered", "sent")
        )
        if sent is not None:
            rows.append((each.title, _number(gap), _number(body), f"{_number(answered)} of {_number(sent)}"))
    return _table(("", "longest extra gap of the stream, ms", "slowest large request, ms", "answered"), rows)


def _starts(record: Record) -> str:
    rows = [
        (
            each.title,
            _number(record.median(name, START, "port_ready_seconds")),
            _number(record.median(name, START, "first_answer_seconds")),
            _number(record.median(name, START, "rss_idle_mb")),
            _number(record.median(name, START, "rss_idle_after_mb")),
            _number(record.median(name, "sse-200x20", "rss_kb_per_stream")),
            _number(record.median(name, START, "rss_end_mb")),
        )
        for name, each in record.entrants.items()
        if record.median(name, START, "first_answer_seconds") is not None
    ]
    head = ("", "spawn to listening, s", "to the first relayed answer, s", "RSS idle, MB")
    return _table((*head, "after the control plane was used", "KB for each of 200 streams", "at the end"), rows)
