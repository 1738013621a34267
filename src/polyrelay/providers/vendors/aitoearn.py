"""AiToEarn (WIRE 1.2, 1.9): OpenAI's chat and images, and video tasks of its own. Its base URL is its host."""

from polyrelay.exchange.operation import Operation
from polyrelay.providers.profile import OPENAI, Profile

_OFFERED = (Operation.CHAT, Operation.IMAGE, Operation.IMAGE_EDIT)

PROFILE = Profile(
    name="aitoearn",
    title="AiToEarn",
    paths={operation: "/api/ai" + OPENAI[operation] for operation in _OFFERED},
    dialect="aitoearn_videos",
    probe="/api/ai/models/chat",
)
