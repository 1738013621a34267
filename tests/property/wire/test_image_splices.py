"""Any request for images that is taken reaches the server as it was, but for the checkpoint and what is set right."""

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from polyrelay.exchange.operation import Operation
from polyrelay.kernel.errors import InvalidRequest
from polyrelay.wire.reactor import request as reactor
from polyrelay.wire.sdwebui import options, request
from polyrelay.wire.spoken import Sent
from support.webui import PNG, Server


def read_body(sent: Sent) -> bytes:
    """What goes out, of a request that came in one piece."""
    assert isinstance(sent.body, bytes)
    return sent.body


SCALARS = st.none() | st.booleans() | st.integers(-5, 10**6) | st.text(max_size=5)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
NAMES = st.text(st.sampled_from('ab"\\é漢 .[]'), min_size=1, max_size=6)
OVERRIDES = st.none() | st.dictionaries(
    st.sampled_from(sorted(options.ALLOWED - {options.CHECKPOINT})),
    st.integers(0, 3) | st.sampled_from(["x", "é"]),
    max_size=2,
).flatmap(lambda found: st.just(found) | NAMES.map(lambda name: {options.CHECKPOINT: name, **found}))
MEMBERS: dict[str, st.SearchStrategy[Any]] = {
    "model": st.none() | NAMES,
    "override_settings": OVERRIDES,
    "steps": st.none() | st.integers(1, 150),
    "width": st.integers(64, 2048),
    "save_images": st.none() | st.booleans(),
    "override_settings_restore_afterwards": st.none() | st.booleans(),
    "init_images": st.just([PNG]),
    "prompt": st.text(max_size=5),
    "later": ANYTHING,
}


@st.composite
def bodies(draw: st.DrawFn, members: dict[str, st.SearchStrategy[Any]]) -> bytes:
    names = draw(st.permutations(sorted(members)))
    chosen = {name: draw(members[name]) for name in names if draw(st.booleans())}
    spaced = draw(st.sampled_from([(",", ":"), (", ", ": "), (" ,\n", " :\t")]))
    ascii_only = draw(st.booleans())
    return (
        draw(st.sampled_from([b"", b" \n"])) + json.dumps(chosen, separators=spaced, ensure_ascii=ascii_only).encode()
    )


@given(bodies(MEMBERS), NAMES)
def test_only_the_checkpoint_and_what_is_set_right_change(body: bytes, checkpoint: str) -> None:
    before = json.loads(body)
    read = request.read(Operation.TXT2IMG, body)
    after = json.loads(read_body(read.outbound(Operation.TXT2IMG, Server(), checkpoint, None)))
    named = before.pop("model", None) or (before.get("override_settings") or {}).get(options.CHECKPOINT)
    assert read.call.model == (named or request.UNNAMED)
    wanted = {
        **before,
        "override_settings": {**(before.get("override_settings") or {}), options.CHECKPOINT: checkpoint},
    }
    if before.get("save_images"):
        wanted["save_images"] = False
    if before.get("override_settings_restore_afterwards") is False:
        wanted["override_settings_restore_afterwards"] = True
    assert after == wanted


@given(
    bodies({"model": st.just("m"), "steps": ANYTHING, "batch_size": ANYTHING, "n_iter": ANYTHING, "width": ANYTHING})
)
def test_what_is_taken_has_a_bound(body: bytes) -> None:
    try:
        demand = request.read(Operation.TXT2IMG, body).call.demand
    except InvalidRequest:
        return
    assert 1 <= demand.images[0].count <= 100
    assert 1 <= demand.megapixel_steps <= 100 * 150 * 5


SWAP: dict[str, st.SearchStrategy[Any]] = {
    "save_to_file": st.sampled_from([None, 0, False]),
    "result_file_path": st.sampled_from([None, ""]),
    "source_folder": st.sampled_from([None, ""]),
    "device": st.sampled_from(["CPU", "CUDA"]),
    "model": st.sampled_from(["a.onnx", "é.onnx"]),
    "later": ANYTHING,
}


@given(bodies(SWAP), st.sampled_from(["reactor", "b.onnx"]), st.booleans())
def test_of_a_swap_only_files_are_left_out(body: bytes, model: str, first: bool) -> None:
    images = {"source_image": PNG, "target_image": PNG}
    members = json.loads(body)
    whole = {**images, **members} if first else {**members, **images}
    sent = reactor.read(json.dumps(whole).encode()).outbound(Operation.REACTOR, Server(), model, None)
    files = {"save_to_file", "result_file_path", "source_folder"}
    wanted = {name: value for name, value in whole.items() if name not in files}
    if model != reactor.MODEL:
        wanted.setdefault("model", model)
    assert json.loads(read_body(sent)) == wanted
