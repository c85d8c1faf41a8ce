"""Predictions that wait at the same time go through the session as one batch.

Nobody waits for others to come: a batch is what has gathered while the one before it ran, so that a single request
is as fast as it would be alone, and a crowd gets the throughput of large batches (the full layers' weights are read
from memory once a batch, not once an image).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
Answer = tuple[Array, float]  # probabilities (classes,), and how many milliseconds its batch took


@dataclass(frozen=True, eq=False)
class Waiting:
    """An input (C, H, W), and who waits for its probabilities."""

    tensor: Array
    answer: "asyncio.Future[Answer]"


class Batcher:
    """The inputs of one network."""

    def __init__(self, forward: Callable[[list[Array]], Awaitable[Answer]], most: int) -> None:
        """`forward` takes B inputs to (B, classes) and their time; `most` is how many may go at once."""
        self._forward, self._most = forward, most
        self._waiting: list[Waiting] = []
        self._task: asyncio.Task[None] | None = None

    async def classify(self, tensor: Array) -> Answer:
        """The probabilities of (C, H, W). A caller who is cancelled leaves the queue.

        Raises:
            what `forward` raises, to everybody of the batch.
        """
        waiting = Waiting(tensor, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        return await waiting.answer

    async def _work(self) -> None:
        """One batch after another, until nobody waits."""
        try:
            while wanted := [one for one in self._waiting if not one.answer.done()]:
                batch, self._waiting = wanted[: self._most], wanted[self._most :]
                try:
                    rows, took = await self._forward([one.tensor for one in batch])
                except Exception as error:  # theirs, whatever it is: it must not end the queue
                    for one in batch:
                        if not one.answer.done():
                            one.answer.set_exception(error)
                    continue
                for one, row in zip(batch, rows, strict=True):
                    if not one.answer.done():
                        one.answer.set_result((row, took))
        finally:
            self._waiting.clear()
            self._task = None
