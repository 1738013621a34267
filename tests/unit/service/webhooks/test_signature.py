"""Signatures, against the worked example of the Standard Webhooks specification's own libraries."""

import base64
import hashlib
import hmac

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.service.webhooks import signature

SECRET = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")


def test_the_specification_s_example() -> None:
    lines = signature.lines(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert lines == (
        "webhook-id: msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp: 1614265330",
        "webhook-signature: v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    )
    assert signature.written(SECRET) == "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@given(st.binary(min_size=24, max_size=64), st.binary(), st.integers(0, 2**40))
def test_a_receiver_finds_the_same(secret: bytes, body: bytes, timestamp: int) -> None:
    lines = dict(line.split(": ", 1) for line in signature.lines(secret, "msg_1", timestamp, body))
    key = base64.b64decode(signature.written(secret).removeprefix("whsec_"))
    signed = f"{lines['webhook-id']}.{lines['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert lines["webhook-signature"] == f"v1,{expected}"
