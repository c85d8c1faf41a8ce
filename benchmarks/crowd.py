"""Many clients at a time, with photos and with tensors, against the best loop around onnxruntime on the same cores.

A photo is decoded and resized for its prediction, which the loop does not do; a tensor, as Triton's clients send it
(Open Inference Protocol, binary extension), asks for what the loop does and no more.
"""

import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import repeat

import numpy as np

from app.network import Network
from benchmarks import floor
from benchmarks.measures import Measure, interleave
from benchmarks.pictures import photo, variants
from benchmarks.place import Place

BATCHES = (1, 2, 4, 8, 16)  # of the loop: as many images as there are clients
CLIENTS = 16
TURNS = 5  # of each side
SPIN = 0.2  # seconds, after which the loop's threads have gone to sleep


@dataclass(frozen=True)
class Question:
    """What is posted."""

    path: str
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def photos(network: Network) -> Iterator[Question]:
    """Photos to predict, each another file."""
    for picture in variants(photo(320, 240, 85, 6)):
        yield Question(f"/api/v1/models/{network.id}/predictions", picture)


def tensors(network: Network) -> Iterator[Question]:
    """A random input, preprocessed, whose probabilities are wanted; nothing of an answer is kept."""
    shape = (1, *network.graph.input_shape)
    numbers = np.random.default_rng(0).normal(size=shape).astype("<f4").tobytes()
    about: dict[str, object] = {"name": network.graph.input_name, "shape": shape, "datatype": "FP32"}
    about["parameters"] = {"binary_data_size": len(numbers)}
    head = json.dumps({"inputs": [about], "parameters": {"binary_data_output": True}}).encode("ascii")
    length = {"Inference-Header-Content-Length": str(len(head))}
    return repeat(Question(f"/v2/models/{network.id}/infer", head + numbers, length))


def crowd(place: Place, network: Network, threads: int, each: int) -> Iterator[Measure]:
    """`each` questions of every client, then as many images in the loop, in turns; and how late the latest are."""
    loops: dict[int, Callable[[], object]] = {
        batch: floor.forward(network, threads, batch, alone=True) for batch in BATCHES
    }
    best = max(loops, key=lambda batch: batch / interleave((loops[batch],), 5, pause=0)[0])
    images = CLIENTS * each

    def loop() -> float:
        """Images a second."""
        calls = -(-images // best)
        begun = time.perf_counter()
        for _ in range(calls):
            loops[best]()
        return calls * best / (time.perf_counter() - begun)

    def everybody(questions: Iterator[Question]) -> tuple[float, list[float]]:
        """Answers a second, and the milliseconds of each."""
        time.sleep(SPIN)
        begun = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool:
            clients = [pool.submit(one_client, place, questions, lock, each) for _ in range(CLIENTS)]
            times = [took for client in clients for took in client.result()]
        return images / (time.perf_counter() - begun), times

    lock = threading.Lock()
    for name, questions in (("predictions", photos(network)), ("tensors", tensors(network))):
        everybody(questions)
        latencies: list[float] = []
        rates: list[tuple[float, float]] = []  # of a turn: ours and the loop's
        for _ in range(TURNS):
            ours, times = everybody(questions)
            latencies += times
            rates.append((ours, loop()))
        ratio = statistics.median(ours / other for ours, other in rates)
        ours, other = (statistics.median(side) for side in zip(*rates, strict=True))
        detail = f"{ours:.1f} against {other:.1f} a second, in batches of {best}"
        late = float(np.percentile(latencies, 99) / statistics.median(latencies))
        yield Measure(f"{name} of {CLIENTS} clients / best onnxruntime loop", network.id, ratio, ">= 0.9", detail)
        yield Measure(f"{name} of {CLIENTS} clients, p99 / median", network.id, late, "<= 3")


def one_client(place: Place, questions: Iterator[Question], lock: threading.Lock, count: int) -> list[float]:
    """Asks so often, one after the other; the milliseconds that each answer took."""
    client, times = place.client(), []
    for _ in range(count):
        with lock:
            question = next(questions)
        begun = time.perf_counter()
        client.ask("POST", question.path, question.body, question.headers)
        times.append(1000 * (time.perf_counter() - begun))
    return times
