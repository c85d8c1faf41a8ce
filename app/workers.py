"""Work off the event loop: inference with a bounded queue for each network, drawing beside it."""

import asyncio
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

from app.cores import available_cores
from app.errors import Overloaded
from app.observed import OBSERVER, Observer
from app.wanted import ABANDONED

T = TypeVar("T")

# Each may hold a run's activations, also those that have left the cache meanwhile. A browser asks a host for six
# things at a time, so these are a hundred pages that all wait for pictures.
MOST_DRAWINGS = 600


@dataclass(eq=False)
class Job:
    """One inference, the networks in whose queues it counts, and how many requests wait for it."""

    networks: Collection[str]
    task: "asyncio.Task[Any] | None" = None
    waiting: int = 0
    started: bool = False
    abandoned: threading.Event = field(default_factory=threading.Event)


class Workers:
    """Threads for what would block the event loop.

    Inferences run `concurrency` at a time; for each network `queue` more may wait and the next is refused. Requests
    for the same thing wait for one computation of it. Work that nobody waits for any more leaves the queue at once,
    and stops at its next step when it runs.
    """

    def __init__(self, concurrency: int, queue: int) -> None:
        self.concurrency, self.queue = concurrency, queue
        self._places = CapacityLimiter(concurrency)
        self._drawing = CapacityLimiter(available_cores() + 2)
        self._reading = CapacityLimiter(1)
        self._telling = CapacityLimiter(2)
        self._jobs: set[Job] = set()
        self._drawings: set[asyncio.Task[Any]] = set()
        self._shared: dict[str, Job] = {}
        self._held: Counter[str] = Counter()  # network -> its inferences that run or wait
        self._admitted = 0
        self.refused = 0
        self.observer: Observer | None = None  # told of every forward pass

    @property
    def pending(self) -> int:
        """Inferences running or waiting."""
        return len(self._jobs) + self._admitted

    @property
    def running(self) -> int:
        """Inferences running."""
        return sum(job.started for job in self._jobs)

    def pending_of(self, network: str) -> int:
        """Inferences of a network, running or waiting."""
        return self._held[network]

    def is_running(self, key: str) -> bool:
        """Whether an inference under that key runs or waits, which whoever asks for the same would get."""
        job = self._shared.get(key)
        return job is not None and not job.abandoned.is_set()

    def require_room(self, networks: Collection[str]) -> None:
        """Raises Overloaded where a network has no place left for one more inference."""
        for network in networks:
            if self._held[network] >= self.concurrency + self.queue:
                self.refused += 1
                raise Overloaded(
                    f"{self.concurrency} inferences run and {self.queue} wait, which is all this server holds"
                    f"{f' for {network}' if network else ''}. Ask again in a second, or raise CONVSCOPE_QUEUE.",
                    retry_after=1,
                )

    async def infer(self, work: Callable[[], T], networks: Collection[str] = ("",), key: str | None = None) -> T:
        """Run an inference in a thread. With a `key`, everybody who asks while it runs gets the one result.

        Raises:
            Overloaded: one of the `networks` has `queue` inferences waiting already.
        """
        job = self._shared.get(key) if key is not None and self.is_running(key) else None
        if job is None:
            self.require_room(networks)
            job = self._start(work, networks, key)
        assert job.task is not None
        job.waiting += 1
        try:
            # shielded: a client that goes away must not take the result from the others who wait for it
            result: T = await asyncio.shield(job.task)
        finally:
            job.waiting -= 1
            if job.waiting == 0 and job.task is not None and not job.task.done():
                job.abandoned.set()
                if not job.started:
                    job.task.cancel()
        return result

    @contextmanager
    def admitted(self, network: str) -> Iterator[None]:
        """One more inference of the network counts, which runs by and by with others (`run`)."""
        self._admitted += 1
        self._held[network] += 1
        try:
            yield
        finally:
            self._admitted -= 1
            self._held[network] -= 1

    async def run(self, work: Callable[[], T]) -> T:
        """Run what has been admitted, when there is a place."""

        def observed() -> T:
            OBSERVER.set(self.observer)
            return work()

        async with self._places:
            return await to_thread.run_sync(observed, limiter=CapacityLimiter(1))

    async def draw(self, work: Callable[[], T]) -> T:
        """Run something short (encoding, reading a table) in a thread.

        A client that goes away ends the waiting, not the thread; so the drawing keeps its place until it is done.

        Raises:
            Overloaded: MOST_DRAWINGS run or wait already.
        """
        return await self._beside(work, self._drawing)

    async def read(self, work: Callable[[], T]) -> T:
        """Run what takes much memory for a while in a thread, one after the other, out of the way of drawings.

        Raises:
            Overloaded: as `draw` does.
        """
        return await self._beside(work, self._reading)

    async def _beside(self, work: Callable[[], T], limiter: CapacityLimiter) -> T:
        if len(self._drawings) >= MOST_DRAWINGS:
            raise Overloaded(
                f"{MOST_DRAWINGS} answers are being drawn or wait for that, which is all this server holds. Ask "
                "again in a second.",
                retry_after=1,
            )
        task = asyncio.create_task(to_thread.run_sync(work, limiter=limiter))
        self._drawings.add(task)
        task.add_done_callback(self._drawn)
        return await asyncio.shield(task)

    async def tell(self, work: Callable[[], T]) -> T:
        """Run what a probe asks for in a thread: whoever watches the service is not kept waiting by its drawings."""
        return await to_thread.run_sync(work, limiter=self._telling)

    def _drawn(self, task: "asyncio.Task[Any]") -> None:
        self._drawings.discard(task)
        let_go(task)

    def _start(self, work: Callable[[], T], networks: Collection[str], key: str | None) -> Job:
        job = Job(networks)

        def run() -> T:
            ABANDONED.set(job.abandoned)
            OBSERVER.set(self.observer)
            return work()

        async def take_place() -> T:
            async with self._places:
                job.started = True
                return await to_thread.run_sync(run, limiter=CapacityLimiter(1))

        def finish(task: "asyncio.Task[Any]") -> None:
            self._jobs.discard(job)
            self._held.subtract(networks)
            if key is not None and self._shared.get(key) is job:
                del self._shared[key]
            job.task = None
            let_go(task)

        job.task = asyncio.create_task(take_place())
        self._jobs.add(job)
        self._held.update(networks)
        if key is not None:
            self._shared[key] = job
        job.task.add_done_callback(finish)
        return job


def let_go(task: "asyncio.Task[Any]") -> None:
    """Give back at once what a failed task's frames hold: pictures, uploads, activations.

    A frame holds its task, the task its error, and the error's traceback the frame; such a circle would stand until
    Python next looks for circles, however much memory it keeps.
    """
    error = None if task.cancelled() else task.exception()  # seen here: asyncio does not complain that nobody looked
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__
