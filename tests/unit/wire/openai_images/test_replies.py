import json

import pytest

from polyrelay.exchange.call import Call
from polyrelay.exchange.operation import Operation
from polyrelay.wire.openai_images import replies, usage
from polyrelay.wire.spoken import EVENTS, JSON, WholeReply

ASKED = usage.asked(1, None, None, 0)
BODY = b'{ "data":[{"b64_json":"QUJD"}], "usage":{"input_tokens":1,"output_tokens":2} }'


def whole_of(operation: Operation) -> WholeReply:
    reply = replies.of(Call(model="m", stream=True, input_bytes=1), ASKED, operation)
    assert isinstance(reply, replies.Stream)
    assert reply.whole is not None
    return reply.whole


def test_a_whole_answer_leaves_as_it_came() -> None:
    whole = replies.Whole(ASKED)
    assert whole.rendered(BODY, None) is BODY
    assert whole.rendered(BODY, b"0.5") == BODY.replace(b'"output_tokens":2', b'"output_tokens":2,"cost":0.5')
    assert (whole.media_type(b"text/plain"), whole.rewritten) == (JSON, False)


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        (Operation.IMAGE, "image_generation.completed"),
        (Operation.IMAGE_EDIT, "image_edit.completed"),
        (Operation.IMAGE_VARIATION, "image_generation.completed"),
    ],
)
def test_a_whole_answer_in_place_of_a_stream_is_told_as_events(operation: Operation, kind: str) -> None:
    whole = whole_of(operation)
    assert whole.rewritten
    assert whole.media_type(JSON) == EVENTS
    name, data = whole.rendered(BODY, b"0.5").splitlines()[:2]
    assert name == b"event: " + kind.encode()
    said = json.loads(data.removeprefix(b"data: "))
    assert (said["type"], said["b64_json"], said["usage"]["cost"]) == (kind, "QUJD", 0.5)
