"""ReActor's own API, which the extension adds to a Stable Diffusion WebUI (WIRE 3.4).

Whether to swap faces is a question of policy: a vendor of its own, so that nobody offers it without meaning to. Its
routes are not behind the password of the WebUI; a credential is for a proxy in front of them. A swap takes seconds on a
card, and a minute or more on a processor with enlarging.
"""

from polyrelay.exchange.operation import Operation
from polyrelay.providers.profile import Profile
from polyrelay.settings.timeouts import Timeouts

PROFILE = Profile(
    name="reactor",
    title="ReActor",
    paths={Operation.REACTOR: "/reactor/image"},
    auth="basic",
    keyless=True,
    timeouts=Timeouts(first_byte=600.0),
    concurrency=1,
    drains=True,
    probe="/reactor/models",
)
