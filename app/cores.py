"""The processor's cores, and who computes on them."""

import os

from threadpoolctl import threadpool_limits


def available_cores() -> int:
    """Cores this process may use: its affinity where the system tells it, else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def single_threaded_products() -> None:
    """From now on numpy's matrix products use one core each.

    The service draws many layers at a time, a core each, and its matrices are small: BLAS's own threads would mostly
    wait for each other, and spin while they do.
    """
    threadpool_limits(1, user_api="blas")
