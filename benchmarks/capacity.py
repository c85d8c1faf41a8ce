"""What a request costs, and many of them: python -m benchmarks.capacity writes docs/capacity.md, with a plot.

Measured is processor time of the server's process, with one thread an inference: a busy machine changes it less than
it does the time on the clock. The rest is arithmetic, with its assumptions as the constants below. --again skips the
measurement and computes from the figures of the last one.
"""

import argparse
import json
import math
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.pictures import half_megabyte, variants
from benchmarks.place import Place, serving
from benchmarks.report import machine

FIGURES = Path(__file__).with_name("capacity.json")
PAGE = Path(__file__).parent.parent / "docs" / "capacity.md"

REPETITIONS = 3
UNITS = 20  # numbers that somebody takes apart in one run
BUSY = 0.6  # of a core's time: above it, queues grow
CORES = 8  # of one machine
SECONDS_A_DAY = 86_400
PEAK = 3.0  # the busiest time of a day over its mean
STUDENTS, AT_ONCE, IMAGES_AN_HOUR = 10_000, 0.25, 12  # of a course; whose share is there in its busiest hour
RUN_SECONDS = 3600  # how long a run is kept there
IMAGE_BYTES = 500_000


@dataclass(frozen=True)
class Cost:
    """One network: processor seconds and bytes of a prediction, and of a run as the page uses it."""

    network: str
    prediction_seconds: float
    run_seconds: float  # the run, every layer's maps, and UNITS explanations
    run_bytes: int


def cpu_seconds(process: int) -> float:
    """Processor time of a process so far."""
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(place: Place, network: str) -> Cost:
    """The cost of one network's requests, the mean of REPETITIONS with another image each."""
    client, images = place.client(), variants(half_megabyte())
    base, sent = f"/api/v1/models/{network}", 0
    client.json("POST", f"{base}/predictions", next(images))  # loads it
    begun = cpu_seconds(place.process)
    for _ in range(REPETITIONS):
        client.json("POST", f"{base}/predictions", next(images))
    predicted = cpu_seconds(place.process)
    for _ in range(REPETITIONS):
        run = client.json("POST", f"{base}/runs", next(images))
        path, last = f"/api/v1/runs/{run['id']}", run["layers"][-1]
        sent += len(client.ask("GET", f"{path}/overview.safetensors?tile=32"))
        for number in range(UNITS):
            unit = "/".join(str(number % size) for size in last["shape"])
            sent += len(client.ask("GET", f"{path}/layers/{last['name']}/units/{unit}"))
    done = cpu_seconds(place.process)
    return Cost(
        network, (predicted - begun) / REPETITIONS, (done - predicted) / REPETITIONS, round(sent / REPETITIONS)
    )


def measure_all() -> dict[str, Any]:
    """Every network's cost, and the memory of a process that has all of them loaded."""
    with serving(1) as place:
        models = place.client().json("GET", "/api/v1/models")["models"]
        costs = [measure(place, model["id"]) for model in models]
        resident = place.resident_bytes()
    return {"machine": machine(), "resident_bytes": resident, "costs": [asdict(cost) for cost in costs]}


LOADS = {  # runs a second at its peak
    f"a course of {STUDENTS:,} students": STUDENTS * AT_ONCE * IMAGES_AN_HOUR / 3600,
    "a million runs a day": PEAK * 1_000_000 / SECONDS_A_DAY,
}


def write_page(figures: dict[str, Any]) -> None:
    """docs/capacity.md and docs/capacity.png."""
    part = PAGE.with_suffix(".part")
    part.write_text(page(figures), encoding="utf-8")
    part.replace(PAGE)
    plot([Cost(**one) for one in figures["costs"]])


def page(figures: dict[str, Any]) -> str:
    """The text of docs/capacity.md."""
    costs = [Cost(**one) for one in figures["costs"]]
    mean = mean_seconds(costs)
    traffic = sum(cost.run_bytes for cost in costs) / len(costs)
    rows = "\n".join(
        f"| {one.network} | {1000 * one.prediction_seconds:.0f} | {1000 * one.run_seconds:.0f} | "
        f"{one.run_bytes / 1e6:.2f} | {BUSY / one.run_seconds:.1f} |"
        for one in costs
    )
    answers = "\n".join(
        table_row(name, rate, mean, traffic, figures["resident_bytes"]) for name, rate in LOADS.items()
    )
    about = ", ".join(f"{key} {value}" for key, value in figures["machine"].items() if value)
    return f"""# How many machines

Written by `python -m benchmarks.capacity`, which measures what a request costs and computes the rest.

Measured on {about}: processor time of the server, one thread an inference, images of half a megabyte.
A run is what the page makes of an image: the run, every layer's maps at 32 pixels, and {UNITS} numbers taken apart.
The last column is how many runs a second one core carries at {BUSY:.0%} of its time.

| network | prediction, ms | run, ms | sent a run, MB | runs/s a core |
|---|--:|--:|--:|--:|
{rows}

A process with all of them loaded holds {figures["resident_bytes"] / 1e9:.1f} GB, what it keeps of these runs
included. Its weights are mapped from the cache folder, and the processes of a machine share them; `cache_bytes`
(1 GB) is counted once more.

| load | runs/s at its peak | cores | machines of {CORES} cores | memory a machine, GB | traffic, Mbit/s | Redis, GB |
|---|--:|--:|--:|--:|--:|--:|
{answers}

All networks are asked for alike. A course has {AT_ONCE:.0%} of its students there in its busiest hour, each with
{IMAGES_AN_HOUR} images an hour; a day's busiest time is {PEAK:.0f} times its mean. Runs share Redis and are kept for
{RUN_SECONDS // 60} minutes (`run_ttl_seconds={RUN_SECONDS}`; a day by default), {IMAGE_BYTES / 1e6:.1f} MB each.
One machine more than the table says lets any one of them fail. Predictions alone cost what the second column says,
and send nothing to speak of.

![Cores over runs a second](capacity.png)
"""


def mean_seconds(costs: Sequence[Cost]) -> float:
    """Processor time of a run, where all networks are asked for alike."""
    return sum(cost.run_seconds for cost in costs) / len(costs)


def table_row(name: str, rate: float, seconds: float, sent: float, resident: int) -> str:
    """One load: what it takes."""
    cores = rate * seconds / BUSY
    machines = max(1, math.ceil(cores / CORES))
    return (
        f"| {name} | {rate:.1f} | {cores:.1f} | {machines} | {(resident + 2**30) / 1e9:.1f} | "
        f"{8 * rate * sent / 1e6:.0f} | {rate * RUN_SECONDS * IMAGE_BYTES / 1e9:.1f} |"
    )


def plot(costs: Sequence[Cost]) -> None:
    """Cores over runs a second for each network, with the two loads marked on their mean."""
    mean = mean_seconds(costs)
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.subplots()
    rates = [0.1, 1, 10, 100]
    colours = ["#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9"]  # Okabe and Ito's, for the colour-blind
    for cost, colour in zip(costs, colours * len(costs), strict=False):
        axes.plot(rates, [rate * cost.run_seconds / BUSY for rate in rates], color=colour, label=cost.network)
    for name, rate in LOADS.items():
        axes.plot(rate, rate * mean / BUSY, "ko")
        axes.annotate(
            f"{name}\n(all networks alike)",
            (rate, rate * mean / BUSY),
            xytext=(10, -34),
            textcoords="offset points",
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1},
        )
    axes.set(xscale="log", yscale="log", xlabel="runs a second", ylabel=f"cores, {BUSY:.0%} busy")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right")
    part = PAGE.with_suffix(".part.png")
    figure.savefig(part, dpi=110)
    part.replace(PAGE.with_suffix(".png"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--again", action="store_true", help="compute from the figures of the last measurement")
    if not parser.parse_args(arguments).again:
        FIGURES.write_text(json.dumps(measure_all(), indent=1) + "\n", encoding="utf-8")
    write_page(json.loads(FIGURES.read_text(encoding="utf-8")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
