"""A relay in front of both protocols of sound."""

from collections.abc import Iterator

import openai
import pytest

from support.bills import tell
from support.processes import RelayProcess, Vendor, channel, relay
from support.sounds import SPOKEN, TARIFFS, TEXT, whisper_asr


@pytest.fixture(scope="module")
def served(sandbox: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RelayProcess]:
    """`native` is served by whisper-asr alone; `both` by a broken channel first, then by whisper-asr."""
    config = channel("main", sandbox.base_url, SPOKEN)
    config += whisper_asr("recorder", sandbox, '"native", "both"', "priority = 1")
    config += "[answers]\nreveal_channel = true\n" + TARIFFS
    with relay(tmp_path_factory.mktemp("audio"), config) as found:
        yield found
        audit = tell(found, "ledger", "audit")
        assert (audit["clean"], audit["offences"]) == (True, [])


@pytest.fixture(autouse=True)
def plain(sandbox: Vendor) -> None:
    """What one test scripts is not for the next."""
    sandbox.clear()


@pytest.fixture(scope="module")
def client(served: RelayProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=served.base_url, api_key=served.key, max_retries=0) as found:
        yield found


@pytest.fixture(scope="module")
def recording(client: openai.OpenAI, sandbox: Vendor) -> bytes:
    """The sandbox's own speech: it hears there what it said."""
    sandbox.clear()
    return client.audio.speech.create(model="tts-1", input=TEXT, voice="alloy", response_format="wav").content


@pytest.fixture(scope="module")
def samples(client: openai.OpenAI, sandbox: Vendor) -> bytes:
    """The same without a container, what it says hidden in the samples."""
    sandbox.clear()
    return client.audio.speech.create(model="tts-1", input=TEXT, voice="alloy", response_format="pcm").content
