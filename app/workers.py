"""Work off the event loop: inference with a bounded queue, drawing beside it."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from anyio import CapacityLimiter, to_thread

from app.cores import available_cores
from app.errors import Overloaded

T = TypeVar("T")


class Workers:
    """Threads for what would block the event loop.

    Inferences run `concurrency` at a time; `queue` more may wait and the next is refused. Requests for the same thing
    wait for one computation of it.
    """

    def __init__(self, concurrency: int, queue: int) -> None:
        self.concurrency, self.queue = concurrency, queue
        self._places = CapacityLimiter(concurrency)
        self._drawing = CapacityLimiter(available_cores() + 2)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._shared: dict[str, asyncio.Task[Any]] = {}

    @property
    def pending(self) -> int:
        """Inferences running or waiting."""
        return len(self._tasks)

    def is_running(self, key: str) -> bool:
        """Whether an inference under that key runs or waits."""
        return key in self._shared

    async def infer(self, work: Callable[[], T], key: str | None = None) -> T:
        """Run an inference in a thread. With a `key`, everybody who asks while it runs gets the one result.

        Raises:
            Overloaded: `concurrency` run and `queue` wait already.
        """
        task: asyncio.Task[T] | None = self._shared.get(key) if key is not None else None
        if task is None:
            if len(self._tasks) >= self.concurrency + self.queue:
                raise Overloaded(
                    f"{self.concurrency} inferences run and {self.queue} wait, which is all this server holds. "
                    "Ask again in a second, or raise CONVSCOPE_QUEUE.",
                    retry_after=1,
                )
            task = asyncio.create_task(self._in_thread(work))
            self._tasks.add(task)
            task.add_done_callback(self._finish)
            if key is not None:
                self._shared[key] = task
                task.add_done_callback(lambda _: self._shared.pop(key, None))
        # shielded: a client that goes away must not take the result from the others who wait for it
        return await asyncio.shield(task)

    async def draw(self, work: Callable[[], T]) -> T:
        """Run something short (encoding, reading a table) in a thread."""
        return await to_thread.run_sync(work, limiter=self._drawing)

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await to_thread.run_sync(work, limiter=self._places)

    def _finish(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # seen here, so that asyncio does not complain when nobody is left to see it
