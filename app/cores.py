"""The processor's cores, and who computes on them."""

import os
import platform
from pathlib import Path

from threadpoolctl import threadpool_limits


def available_cores() -> int:
    """Cores this process may use: its affinity where the system tells it, else all."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def adds_8_bit_products_whole() -> bool:
    """Whether the processor adds 8-bit products in 32 bits: AVX-512 VNNI, AVX-VNNI or AMX on x86, all of ARM's ways.

    AVX2 adds two of them in 16 bits, which overflows with large 8-bit weights; where the system does not tell, that
    is taken for granted.
    """
    if platform.machine().lower() in ("arm64", "aarch64"):
        return True
    try:
        words = set(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split())
    except OSError:
        return False
    return bool(words & {"avx512_vnni", "avx_vnni", "amx_int8"})


def single_threaded_products() -> None:
    """From now on numpy's matrix products use one core each.

    The service does several things at a time, and its matrices are small: BLAS's own threads would mostly wait for
    each other, and spin while they do.
    """
    threadpool_limits(1, user_api="blas")
