"""Time that does not jump: the clock's at the start, counted on by the monotonic one."""

import time

OFFSET = time.time() - time.monotonic()


def steady_time() -> float:
    """Seconds since the epoch, as far as the clock was right when the process started.

    When somebody sets the clock, what is kept for an hour is still kept for an hour.
    """
    return OFFSET + time.monotonic()
