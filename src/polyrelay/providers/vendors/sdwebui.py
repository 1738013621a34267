"""Stable Diffusion WebUI with `--api`: AUTOMATIC1111's, Forge and what speaks like them (WIRE 3).

It works on one call at a time and keeps others waiting on open connections, for minutes, so they wait in the relay:
there they are in order, and no deadline runs. A picture is made to its end also when nobody waits for it any more.
"""

from polyrelay.exchange.operation import Operation
from polyrelay.providers.profile import Profile
from polyrelay.settings.timeouts import Timeouts

PROFILE = Profile(
    name="sdwebui",
    title="Stable Diffusion WebUI",
    paths={Operation.TXT2IMG: "/sdapi/v1/txt2img", Operation.IMG2IMG: "/sdapi/v1/img2img"},
    auth="basic",
    keyless=True,
    timeouts=Timeouts(first_byte=1800.0, total=2100.0),
    concurrency=1,
    drains=True,
    probe="/sdapi/v1/sd-models",
)
