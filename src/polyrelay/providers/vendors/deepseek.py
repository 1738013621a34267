"""DeepSeek. Reports cache hits as `prompt_cache_hit_tokens` and answers thinking as `reasoning_content` (WIRE 4.4).

Its API reference names `max_tokens` alone, and fields it does not know it passes over without an error.
"""

from polyrelay.providers.profile import Profile

PROFILE = Profile(name="deepseek", title="DeepSeek", only_cap_field=True)
