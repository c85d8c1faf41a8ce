"""Bounded inference off the event loop, once for all who ask for the same."""

import asyncio
import gc
import threading
import time
import weakref

import pytest

from app import workers as workers_module
from app.cores import available_cores
from app.errors import ImageUndecodable, Overloaded
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

        running = asyncio.create_task(workers.infer(work, key="one"))
        waiting = asyncio.create_task(workers.infer(work))
        assert await asyncio.to_thread(entered.wait, 10)
        assert workers.pending == 2 and workers.is_running("one")
        waiting.cancel()  # leaves the queue at once
        while workers.pending > 1:
            await asyncio.sleep(0.01)
        running.cancel()  # stops at its next step
        await asyncio.sleep(0)
        assert not workers.is_running("one")  # whoever asks for the same now begins anew
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


class Heavy:
    """Stands for what a job's frames hold: an upload, a picture, activations."""


@pytest.mark.parametrize("how", ["infer", "draw"])
def test_a_failure_leaves_nothing_in_memory(how: str) -> None:
    alive: list[weakref.ref[Heavy]] = []

    def work() -> None:
        heavy = Heavy()
        alive.append(weakref.ref(heavy))
        try:
            raise ValueError(f"{heavy} is truncated")
        except ValueError as error:
            raise ImageUndecodable("The picture is damaged.", 0) from error

    async def scenario() -> None:
        workers = Workers(concurrency=2, queue=3)
        for _ in range(4):
            with pytest.raises(ImageUndecodable):
                await (workers.infer(work) if how == "infer" else workers.draw(work))

    gc.collect()
    gc.disable()  # what only a search for circles would find counts as kept
    try:
        asyncio.run(scenario())
        assert len(alive) == 4 and not any(one() for one in alive)
    finally:
        gc.enable()


def test_who_watches_is_told_while_drawings_wait() -> None:
    async def scenario() -> None:
        workers, gate = Workers(concurrency=1, queue=0), threading.Event()
        drawing = [asyncio.create_task(workers.draw(lambda: gate.wait(60))) for _ in range(available_cores() + 20)]
        try:
            assert await asyncio.wait_for(workers.tell(lambda: "well"), 30) == "well"
            assert not any(task.done() for task in drawing)
        finally:
            gate.set()
            await asyncio.gather(*drawing)

    asyncio.run(scenario())


def test_what_takes_much_memory_takes_turns_and_no_place_from_drawings() -> None:
    async def scenario() -> None:
        workers, gate, lock = Workers(concurrency=1, queue=0), threading.Event(), threading.Lock()
        running = most = 0

        def work() -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            gate.wait(60)
            with lock:
                running -= 1

        reading = [asyncio.create_task(workers.read(work)) for _ in range(available_cores() + 20)]
        try:
            assert await asyncio.wait_for(workers.draw(lambda: "drawn"), 30) == "drawn"
            assert not any(task.done() for task in reading)
        finally:
            gate.set()
            await asyncio.gather(*reading)
        assert most == 1

    asyncio.run(scenario())


def test_drawings_that_wait_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers_module, "MOST_DRAWINGS", 20)

    async def scenario() -> None:
        workers, gate = Workers(concurrency=1, queue=0), threading.Event()
        drawing = [asyncio.create_task(workers.draw(lambda: gate.wait(60))) for _ in range(20)]
        await asyncio.sleep(0.05)
        with pytest.raises(Overloaded, match="20 answers are being drawn") as refused:
            await workers.draw(lambda: None)
        assert refused.value.retry_after == 1
        gate.set()
        await asyncio.gather(*drawing)
        assert await workers.draw(lambda: 7) == 7

    asyncio.run(scenario())


def test_who_leaves_a_drawing_does_not_make_room_before_it_is_done() -> None:
    async def scenario() -> None:
        workers, gate, lock, running = Workers(concurrency=1, queue=1), threading.Event(), threading.Lock(), 0

        def work() -> None:
            nonlocal running
            with lock:
                running += 1
            gate.wait(10)

        places = available_cores() + 2
        for _ in range(4 * places):
            asked = asyncio.create_task(workers.draw(work))
            await asyncio.sleep(0.01)
            asked.cancel()
        async with asyncio.timeout(20):
            while running < places:
                await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            assert running == places
            gate.set()
            await workers.draw(lambda: None)
            while running < 4 * places:
                await asyncio.sleep(0.01)
            assert running == 4 * places

    asyncio.run(scenario())
