"""The clocks of this machine."""

import time


class SystemClock:
    """The port `Clock`."""

    monotonic = staticmethod(time.monotonic)
    wall = staticmethod(time.time)
