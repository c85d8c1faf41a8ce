"""How far a pull is: told by the thread that pulls, read by whoever shows it."""

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Literal

State = Literal["waiting", "pulling", "checking"]  # waiting: another process pulls the same file

WINDOW = 5.0  # seconds over which the rate is taken


class Transfer:
    """Bytes done of a file, and how fast they come."""

    def __init__(
        self, total: int, on_move: Callable[[int], None] | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.bytes, self.done = total, 0
        self.state: State = "pulling"
        self.cancelled = threading.Event()
        self._on_move, self._clock = on_move, clock
        self._marks: deque[tuple[float, int]] = deque()

    def moved(self, done: int) -> None:
        """So many bytes are there now; fewer than before when it had to start again."""
        now = self._clock()
        if done < self.done or not self._marks:
            self._marks.clear()  # nor do bytes kept from an earlier pull count as fast
        self.done = done
        self._marks.append((now, done))
        while len(self._marks) > 2 and now - self._marks[1][0] > WINDOW:
            self._marks.popleft()
        if self._on_move:
            self._on_move(done)

    @property
    def rate(self) -> float:
        """Bytes a second over the last seconds; 0 before there are any."""
        marks = list(self._marks)
        if len(marks) < 2:
            return 0.0
        (began, first), (_, last) = marks[0], marks[-1]
        return (last - first) / max(self._clock() - began, 1e-3)

    @property
    def seconds_left(self) -> float | None:
        """How long the rest takes at this rate; None while that is not known."""
        rate = self.rate
        return (self.bytes - self.done) / rate if rate > 0 else None
