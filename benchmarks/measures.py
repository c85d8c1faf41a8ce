"""One measure, and how two things are timed side by side."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Measure:
    """One row of the results: what was measured, what came out, what was aimed at."""

    measure: str
    network: str
    value: float
    target: str  # "<= 1.12"; empty where there is none
    detail: str = ""  # the absolute figures of this machine, for a person

    @property
    def ok(self) -> bool:
        """Whether the value is on the right side of the target."""
        if not self.target:
            return True
        relation, _, bound = self.target.partition(" ")
        return self.value <= float(bound) if relation == "<=" else self.value >= float(bound)

    def document(self) -> dict[str, Any]:
        """The row as JSON."""
        return {**asdict(self), "value": round(self.value, 6), "ok": self.ok}


PAUSE = 0.03  # seconds


def interleave(
    sides: Sequence[Callable[[], object]], repetitions: int, warm: int = 2, pause: float = PAUSE
) -> list[float]:
    """The median milliseconds of each side, their calls taking turns so that a noisy machine is noisy for all.

    Before each call is a pause, in which a server ends what it does after its answer.
    """
    for _ in range(warm):
        for side in sides:
            side()
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(repetitions):
        for side, seen in zip(sides, times, strict=True):
            time.sleep(pause)
            begun = time.perf_counter()
            side()
            seen.append(1000 * (time.perf_counter() - begun))
    return [statistics.median(seen) for seen in times]
