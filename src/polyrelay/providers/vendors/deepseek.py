"""DeepSeek. Reports cache hits as `prompt_cache_hit_tokens` and answers thinking as `reasoning_content` (WIRE 4.4)."""

from polyrelay.providers.profile import Profile

PROFILE = Profile(name="deepseek", title="DeepSeek")
