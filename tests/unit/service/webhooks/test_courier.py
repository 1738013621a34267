"""One attempt: what is sent, and what is made of the answer."""

import asyncio
import json
from collections.abc import Collection, Sequence

import pytest

from polyrelay.jobs.job import Job
from polyrelay.kernel.ids import ExchangeId
from polyrelay.service.outside import Errand
from polyrelay.service.webhooks import signature
from polyrelay.service.webhooks.courier import LONGEST_ERROR, Courier
from polyrelay.service.webhooks.ports import Attempt, Delivery
from polyrelay.settings.webhooks import WebhookSettings
from polyrelay.upstream.recorded_outside import Recorded, RecordedOutside
from support.books import HandClock
from support.made import URL, job_id, made, rendered

ON = WebhookSettings(enabled=True, timeout_seconds=7)
DELIVERY = Delivery("msg_1", job_id(1), "acc_1", "key_1", URL, 1)
SECRET = b"s" * 32


class Secrets:
    async def of(self, key: str) -> bytes | None:
        return SECRET if key == "key_1" else None


def attempt(*answers: Recorded, job: Job | None = None, delivery: Delivery = DELIVERY) -> tuple[Attempt, list[Errand]]:
    outside = RecordedOutside(answers)

    async def load(ids: Collection[ExchangeId]) -> Sequence[Job]:
        return [each for each in (job or made(1),) if each.id in ids]

    courier = Courier(load, {"suno_native": rendered}, Secrets(), outside, HandClock())
    return asyncio.run(courier.attempt(delivery, ON)), outside.errands


def test_the_job_is_told_in_its_own_dialect_and_signed() -> None:
    found, (errand,) = attempt(Recorded(204))
    assert (found.status, found.error, found.final) == (204, None, False)
    assert errand.url == URL
    assert errand.body is not None
    assert json.loads(errand.body)["state"] == "succeeded"
    assert errand.lines == (
        "content-type: application/json",
        "user-agent: polyrelay-webhooks",
        *signature.lines(SECRET, "msg_1", int(HandClock().now), errand.body),
    )
    assert errand.wire.total == 7
    assert errand.rules is not None
    assert "token" not in repr(errand)


@pytest.mark.parametrize(
    ("status", "error"),
    [(199, "status 199"), (300, "status 300: redirects are not followed"), (404, "status 404"), (500, "status 500")],
)
def test_every_other_answer_is_a_failure(status: int, error: str) -> None:
    found, _ = attempt(Recorded(status))
    assert (found.status, found.error, found.final) == (status, error, False)


@pytest.mark.parametrize("status", [200, 299])
def test_the_edges_of_success(status: int) -> None:
    assert attempt(Recorded(status))[0].error is None


def test_no_answer_and_a_refusal_by_the_guard_are_tried_again() -> None:
    for answer in (Recorded(None, fault="curl 28: timed out"), Recorded(refusal="leads to an address (loopback)")):
        found, _ = attempt(answer)
        assert (found.status, found.error, found.final) == (None, answer.fault or answer.refusal, False)


def test_what_can_never_be_delivered_is_given_up() -> None:
    gone, sent = attempt(Recorded(), delivery=Delivery("msg_2", job_id(2), "acc_1", "key_1", URL, 1))
    assert (gone.error, gone.final, sent) == ("the job is not there any more", True, [])
    revoked, sent = attempt(Recorded(), delivery=Delivery("msg_1", job_id(1), "acc_1", "key_2", URL, 1))
    assert (revoked.error, revoked.final, sent) == ("the key of the job was revoked", True, [])
    hidden, sent = attempt(Recorded(), job=made(1, hidden=True))
    assert (hidden.error, hidden.final, sent) == ("the job is not there any more", True, [])
    strange, sent = attempt(Recorded(), job=made(1, surface="other"))
    assert (strange.error, strange.final, sent) == ("this release cannot render jobs of other", True, [])


def test_long_complaints_are_cut() -> None:
    found, _ = attempt(Recorded(None, fault="x" * 1000))
    assert found.error == "x" * LONGEST_ERROR
