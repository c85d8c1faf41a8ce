"""Memory for runs: a block comes back when no array shows it, and one is touched in advance."""

import gc
import mmap
import time

import numpy as np

from app.reserve import Bytes, Reserve

SIZE = 3_000_000


def address(block: Bytes) -> int:
    return int(block.ctypes.data)


def wait_until_ready(reserve: Reserve, nbytes: int) -> None:
    until = time.monotonic() + 10
    while not reserve.holds(nbytes):
        assert time.monotonic() < until, "no block was made ready"
        time.sleep(0.005)


def test_a_block_lives_as_long_as_any_view_of_it_and_is_the_next_one_then() -> None:
    reserve = Reserve()
    block = reserve.take(SIZE)
    where = address(block)
    part = block[4:404].view(np.float32).reshape(10, 10)[3]
    part[:] = 7
    del block
    gc.collect()
    assert not reserve.holds(SIZE)  # a view is left
    other = reserve.take(SIZE)
    assert address(other) != where
    assert (part == 7).all()
    del part
    gc.collect()
    assert reserve.holds(SIZE)
    assert address(reserve.take(SIZE)) == where


def test_a_block_of_another_size_than_the_last_is_let_go() -> None:
    reserve = Reserve()
    small, large = reserve.take(SIZE), reserve.take(2 * SIZE)
    del small
    assert not reserve.holds(SIZE)
    del large
    assert reserve.holds(2 * SIZE)
    assert reserve.take(SIZE).nbytes == SIZE
    assert not reserve.holds(2 * SIZE)


def test_a_block_is_made_ready_once_it_is_quiet() -> None:
    reserve = Reserve(quiet=0.05)
    begun = time.monotonic()
    reserve.prepare(SIZE)
    wait_until_ready(reserve, SIZE)
    assert time.monotonic() - begun >= 0.05
    block = reserve.take(SIZE)
    assert not reserve.holds(SIZE)
    assert block.nbytes == SIZE and not block[:: mmap.PAGESIZE].any()  # every page was written


def test_who_comes_before_it_is_ready_ends_the_work_for_it() -> None:
    reserve = Reserve(quiet=0.1)
    reserve.prepare(SIZE)
    held = reserve.take(SIZE)
    time.sleep(0.3)
    assert not reserve.holds(SIZE)
    reserve.prepare(SIZE)
    reserve.prepare(2 * SIZE)  # the last wish counts
    wait_until_ready(reserve, 2 * SIZE)
    assert not reserve.holds(SIZE)
    del held
    assert reserve.holds(2 * SIZE)  # and is not lost to what comes back
