"""Bounded inference off the event loop, once for all who ask for the same."""

import asyncio
import threading
import time

import pytest

from app.errors import Overloaded
from app.wanted import check_wanted
from app.workers import Workers


def test_no_more_than_the_places_run_and_the_queue_is_bounded() -> None:
    async def scenario() -> None:
        workers, gate, running, most = Workers(concurrency=2, queue=3), threading.Event(), 0, 0
        lock = threading.Lock()

        def work() -> str:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            gate.wait(10)
            with lock:
                running -= 1
            return "done"

        asked = [asyncio.create_task(workers.infer(work)) for _ in range(5)]
        await asyncio.sleep(0.05)
        assert workers.pending == 5
        with pytest.raises(Overloaded, match="2 inferences run and 3 wait") as refused:
            await workers.infer(work)
        assert refused.value.retry_after == 1
        gate.set()
        assert await asyncio.gather(*asked) == ["done"] * 5
        assert most == 2
        assert await workers.infer(work) == "done"  # there is room again
        assert workers.pending == 0

    asyncio.run(scenario())


def test_who_asks_for_the_same_waits_for_one_computation() -> None:
    async def scenario() -> None:
        workers, gate, count = Workers(concurrency=2, queue=0), threading.Event(), 0

        def work() -> int:
            nonlocal count
            count += 1
            gate.wait(10)
            return count

        asked = [asyncio.create_task(workers.infer(work, key="one")) for _ in range(20)]
        await asyncio.sleep(0.05)
        assert workers.is_running("one")
        asked[0].cancel()  # the first client goes away
        gate.set()
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert results[1:] == [1] * 19
        assert not workers.is_running("one")
        assert await workers.infer(work, key="one") == 2

    asyncio.run(scenario())


def test_each_network_has_its_own_queue() -> None:
    async def scenario() -> None:
        workers, gate = Workers(concurrency=1, queue=1), threading.Event()
        asked = [asyncio.create_task(workers.infer(lambda: gate.wait(10), ["a"])) for _ in range(2)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded, match="for a"):
            await workers.infer(lambda: None, ["b", "a"])
        other = asyncio.create_task(workers.infer(lambda: 7, ["b"]))
        await asyncio.sleep(0.05)
        assert (workers.pending_of("a"), workers.pending_of("b"), workers.running) == (2, 1, 1)
        gate.set()
        assert await asyncio.gather(*asked, other) == [True, True, 7]
        assert (workers.pending, workers.pending_of("a"), workers.refused) == (0, 0, 1)

    asyncio.run(scenario())


def test_who_leaves_frees_the_place() -> None:
    async def scenario() -> None:
        workers, entered, steps = Workers(concurrency=1, queue=1), threading.Event(), 0

        def work() -> None:
            nonlocal steps
            entered.set()
            for _ in range(1000):
                check_wanted()
                steps += 1
                time.sleep(0.01)

        running = asyncio.create_task(workers.infer(work))
        waiting = asyncio.create_task(workers.infer(work))
        assert await asyncio.to_thread(entered.wait, 10)
        assert workers.pending == 2
        waiting.cancel()  # leaves the queue at once
        await asyncio.sleep(0.02)
        assert workers.pending == 1
        running.cancel()  # stops at its next step
        assert await workers.infer(lambda: 7) == 7
        assert workers.pending == 0
        assert steps < 100

    asyncio.run(scenario())


def test_a_failure_reaches_everybody_and_is_not_kept() -> None:
    async def scenario() -> None:
        workers, gate = Workers(concurrency=1, queue=0), threading.Event()

        def fail() -> None:
            gate.wait(10)
            raise ValueError("broken")

        asked = [asyncio.create_task(workers.infer(fail, key="one")) for _ in range(3)]
        await asyncio.sleep(0.05)
        gate.set()
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [str(result) for result in results] == ["broken"] * 3
        assert await workers.infer(lambda: 7, key="one") == 7
        assert await workers.draw(lambda: 8) == 8

    asyncio.run(scenario())
