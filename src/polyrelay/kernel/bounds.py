"""Every bound that is not an operator's setting, with its reason. Settings have theirs in `settings/`."""

SSE_FRAME_BYTES = 8 * 1024 * 1024
"""Longest single SSE frame that is assembled. An image delta in base64 is about 6 MB; more is an attack or a bug."""

HELD_STREAM_BYTES = 256 * 1024
"""Most stream bytes withheld before the first meaningful frame. Role and ping frames are a few hundred bytes."""

JOB_ANSWER_BYTES = 4 * 1024 * 1024
"""Longest answer about jobs that is read. A feed of fifty songs is 200 KB; lyrics and long prompts make it a few MB."""

ERROR_BODY_BYTES = 256 * 1024
"""Most bytes read of an upstream's error answer. Vendors send under 4 KB; the rest is dropped."""
