"""libcurl's numbers in our words."""

import pycurl
import pytest

from polyrelay.exchange.faults import FaultKind
from polyrelay.upstream import faults

CONNECT, CUT, GARBLED, OVERSIZE = FaultKind.CONNECT, FaultKind.CUT, FaultKind.GARBLED, FaultKind.OVERSIZE


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (1, CONNECT), (2, CONNECT), (3, CONNECT), (4, CONNECT), (5, CONNECT), (6, CONNECT), (7, CONNECT),
        (8, GARBLED), (16, CUT), (18, CUT), (28, CONNECT), (35, CONNECT), (45, CONNECT), (52, CUT), (53, CONNECT),
        (54, CONNECT), (55, CUT), (56, CUT), (58, CONNECT), (59, CONNECT), (60, CONNECT), (61, GARBLED),
        (63, OVERSIZE), (64, CONNECT), (65, CUT), (66, CONNECT), (67, CONNECT), (77, CONNECT), (80, CUT),
        (82, CONNECT), (83, CONNECT), (90, CONNECT), (91, CONNECT), (92, CUT), (95, CUT), (96, CONNECT),
        (97, CONNECT), (98, CONNECT), (99, CUT), (100, OVERSIZE),
    ],
)  # fmt: skip
def test_every_number_that_http_can_end_with(number: int, kind: FaultKind) -> None:
    assert faults.KINDS[number] is kind
    fault = faults.from_curl(number, "why", connected=number != 1, status=502)
    assert (fault.kind, fault.status, fault.detail) == (kind if number != 1 else CONNECT, 502, f"curl {number}: why")


def test_the_table_has_no_other_numbers() -> None:
    assert len(faults.KINDS) == 40


def test_any_other_number_is_cut() -> None:
    assert faults.from_curl(4711, "", connected=True).kind is CUT


@pytest.mark.parametrize("number", [pycurl.E_RECV_ERROR, pycurl.E_SEND_ERROR, pycurl.E_GOT_NOTHING, 4711])
def test_what_breaks_before_anything_was_sent_is_a_connect_fault(number: int) -> None:
    assert faults.from_curl(number, "", connected=False).kind is CONNECT


def test_an_unknown_protocol_after_sending_is_an_answer_without_a_head() -> None:
    assert faults.from_curl(pycurl.E_UNSUPPORTED_PROTOCOL, "", connected=True).kind is GARBLED


def test_details_are_bounded() -> None:
    assert len(faults.from_curl(56, "x" * 10_000, connected=True).detail) < faults.DETAIL_CHARS + 20
