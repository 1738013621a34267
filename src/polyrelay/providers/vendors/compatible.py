"""Any server that speaks OpenAI's protocol: vLLM, SGLang, Ollama, another relay."""

from polyrelay.providers.profile import OPENAI, Profile

PROFILE = Profile(name="openai_compatible", title="OpenAI compatible", paths=OPENAI, dialect="openai_videos")
