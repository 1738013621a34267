"""Every bound that is not an operator's setting, with its reason. Settings have theirs in `settings/`."""

SSE_FRAME_BYTES = 8 * 1024 * 1024
"""Longest single SSE frame that is assembled. Pieces of text and of sound are kilobytes, a whole transcript with its
words a few MB; more is an attack or a bug.
"""

IMAGE_FRAME_BYTES = 65 * 1024 * 1024
"""The same of a stream of images. Vendors make images of 4096x4096 (Seedream's and Gemini's "4K"): three bytes for each
pixel are 64 MiB in base64, and a PNG is longer than its samples by a thousandth at most. JPEGs and usual PNGs are a
tenth and a half of that. The frames that wait to be complete are bounded in all by `bounds.bytes_in_flight`.
"""

HELD_STREAM_BYTES = 256 * 1024
"""Most stream bytes withheld before the first meaningful frame. Role and ping frames are a few hundred bytes."""

JOB_ANSWER_BYTES = 4 * 1024 * 1024
"""Longest answer about jobs that is read. A feed of fifty songs is 200 KB; lyrics and long prompts make it a few MB."""

ERROR_BODY_BYTES = 256 * 1024
"""Most bytes read of an upstream's error answer. Vendors send under 4 KB; the rest is dropped."""
