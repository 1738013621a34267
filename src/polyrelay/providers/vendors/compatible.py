"""Any server that speaks OpenAI chat completions: vLLM, SGLang, Ollama, another relay."""

from polyrelay.providers.profile import Profile

PROFILE = Profile(name="openai_compatible", title="OpenAI compatible")
