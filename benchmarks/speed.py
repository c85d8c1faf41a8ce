"""How close the service comes to the floor: `python -m benchmarks.speed [--network vgg16]`.

The floor is one plain onnxruntime forward of the same file, probabilities only, with the same threads. Everything
over HTTP goes to a server of its own on the loopback address; both sides take turns, and medians are compared.
Writes benchmarks/results.json, benchmarks/results.md and the plot benchmarks/results.png; with one network its rows
alone, where the others were measured on the same machine.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial

from tqdm import tqdm

from app.catalog import Catalog
from app.cores import available_cores
from app.layer import Layer
from app.network import Network
from app.settings import Settings
from benchmarks import floor, usual
from benchmarks.accelerator import accelerated, accelerating, device
from benchmarks.crowd import crowd
from benchmarks.eight_bits import eight_bits
from benchmarks.encoding import atlas_encoding
from benchmarks.measures import Measure, interleave
from benchmarks.pictures import drawn_digit, half_megabyte, photo, variants
from benchmarks.place import Client, Place, serving
from benchmarks.report import require_same_machine, write_results

TILE = 32
RUN_TARGETS = {"vgg16": 1.12, "resnet34": 1.25, "googlenet": 1.3, "alexnet": 1.3}
CACHE_BYTES = 256 * 2**20  # so that the server soon is as it will stay: where a run is kept, an old one goes
OVERVIEW_TARGETS = {"vgg16": 1.35, "resnet34": 1.6, "googlenet": 1.8, "alexnet": 1.6}


class Bench:
    """A server, the networks to measure, and how often."""

    def __init__(self, place: Place, threads: int, repetitions: int) -> None:
        self.place, self.threads, self.repetitions = place, threads, repetitions
        self.client = place.client()
        self.large = half_megabyte()
        self.uploads = variants(self.large)

    def post(self, network: Network, client: Client | None = None, upload: bytes | None = None) -> str:
        """A new run; its id."""
        path = f"/api/v1/models/{network.id}/runs"
        return str((client or self.client).json("POST", path, upload or next(self.uploads))["id"])

    def ratio(
        self, name: str, network: Network, ours: Callable[[], object], other: Callable[[], object], target: str
    ) -> Measure:
        """Our median over the other's."""
        ours_ms, other_ms = interleave((ours, other), self.repetitions)
        return Measure(name, network.id, ours_ms / other_ms, target, f"{ours_ms:.2f} ms against {other_ms:.2f} ms")

    def overhead(
        self, name: str, network: Network, ours: Callable[[], object], other: Callable[[], object], target: str
    ) -> Measure:
        """Our median less the other's, in milliseconds: for networks that take hardly any time themselves."""
        ours_ms, other_ms = interleave((ours, other), self.repetitions * 5)
        return Measure(name, network.id, ours_ms - other_ms, target, f"{ours_ms:.2f} ms against {other_ms:.2f} ms")

    def run_over_http(self, network: Network) -> Measure:
        """Upload, predictions, all activations kept, against forward and decoding."""
        forward = floor.forward(network, self.threads)
        kept = 4 * sum(math.prod(layer.shape) for layer in network.graph.layers)
        for _ in range(min(40, CACHE_BYTES // kept)):
            self.post(network)

        def other() -> None:
            floor.decode(self.large)
            forward()

        if network.id in RUN_TARGETS:
            name = "run over HTTP / (floor + JPEG decode)"
            return self.ratio(name, network, lambda: self.post(network), other, f"<= {RUN_TARGETS[network.id]}")
        name = "run over HTTP, ms over (floor + JPEG decode)"
        return self.overhead(name, network, lambda: self.post(network), other, "<= 4")

    def run_and_overview(self, network: Network) -> Measure:
        """A run and every layer's maps, two requests."""
        forward = floor.forward(network, self.threads)

        def ours() -> None:
            self.client.ask("GET", f"/api/v1/runs/{self.post(network)}/overview.safetensors?tile={TILE}")

        def other() -> None:
            floor.decode(self.large)
            forward()

        target = OVERVIEW_TARGETS.get(network.id)
        name = "run + overview over HTTP / (floor + JPEG decode)"
        return self.ratio(name, network, ours, other, f"<= {target}" if target else "")

    def prediction(self, network: Network) -> Measure:
        """A prediction, against forward, decoding and resizing as Pillow does them."""
        forward = floor.forward(network, self.threads)
        path = f"/api/v1/models/{network.id}/predictions"

        def ours() -> None:
            self.client.ask("POST", path, next(self.uploads))

        def other() -> None:
            floor.decode_and_resize(self.large, network)
            forward()

        if network.id in RUN_TARGETS:
            name = "prediction over HTTP / (floor + decode + resize)"
            return self.ratio(name, network, ours, other, "<= 1.10")
        name = "prediction over HTTP, ms over (floor + decode + resize)"
        return self.overhead(name, network, ours, other, "<= 3")

    def usual_way(self, network: Network) -> Iterator[Measure]:
        """Every layer's PNG, against PyTorch with hooks and Pillow; how many times faster ours is.

        Of what the network is for: a photo, or a drawn digit where it looks at one channel.
        """
        pictures = self.uploads if network.graph.input_shape[0] > 1 else variants(drawn_digit())
        ways = (
            usual.with_hooks(network, self.threads, TILE),
            usual.in_a_script(network, TILE),
            usual.over_http(self.place, network, TILE),
        )

        def side(way: Callable[[bytes], int]) -> Callable[[], int]:
            return lambda: way(next(pictures))

        sides = [side(way) for way in ways]
        hooks, script, http = interleave(sides, max(3, self.repetitions // 3), warm=1)
        for name, took in (("in a script", script), (f"over HTTP, {usual.CONNECTIONS} connections", http)):
            detail = f"{took:.0f} ms against {hooks:.0f} ms"
            yield Measure(f"every layer's PNG, usual way / ours {name}", network.id, hooks / took, ">= 2.5", detail)

    def unit(self, network: Network) -> Measure:
        """The slowest layer's unit explanation, warm, in milliseconds over HTTP.

        One after the other, as a pointer over the maps asks for them. The longest of a hundred short medians is
        that of a disturbance: those that seem slowest are measured again.
        """
        run = self.post(network)

        def path(layer: Layer, of: str) -> str:
            return f"/api/v1/runs/{of}/layers/{layer.name}/units/{'/'.join(str(size // 2) for size in layer.shape)}"

        def took(layer: Layer, repetitions: int) -> float:
            return interleave((partial(self.client.ask, "GET", path(layer, run)),), repetitions, pause=0)[0]

        slow = sorted(network.graph.layers, key=lambda layer: -took(layer, 5))[:5]
        worst, where = max((took(layer, 5 * self.repetitions), layer.name) for layer in slow)

        # the first look at a run's largest ReLU makes all of it
        largest = max(network.graph.layers, key=lambda layer: (layer.op == "relu", math.prod(layer.shape)))
        firsts = []
        for _ in range(5):
            asked = path(largest, self.post(network))
            begun = time.perf_counter()
            self.client.ask("GET", asked)
            firsts.append(1000 * (time.perf_counter() - begun))
        detail = f"{where}; the first of a run, at {largest.name}: {statistics.median(firsts):.1f}"
        return Measure("one unit explanation, ms, slowest layer", network.id, worst, "<= 3", detail)

    def live_drawing(self, network: Network) -> Measure:
        """A run and all its atlases, as while drawing: how many a second on one connection."""
        drawings = variants(photo(280, 280, 90, 3))

        def ours() -> None:
            run = self.post(network, upload=next(drawings))
            self.client.ask("GET", f"/api/v1/runs/{run}/overview.safetensors?tile={TILE}")

        (took,) = interleave((ours,), self.repetitions * 5)
        return Measure("live drawing, runs with all maps a second", network.id, 1000 / took, ">= 60")

    def memory(self, network: Network, runs: int) -> Measure:
        """Resident set after so many runs, over that after the first hundred."""
        first = min(100, runs // 2)
        for _ in tqdm(range(first), desc=f"{network.id}: memory"):
            self.post(network)
        before = self.place.resident_bytes()
        for _ in tqdm(range(runs - first), desc=f"{network.id}: memory"):
            self.post(network)
        after = self.place.resident_bytes()
        detail = f"{before / 2**20:.0f} MiB after {first} runs, {after / 2**20:.0f} MiB after {runs}"
        return Measure("resident set, last run / 100th", network.id, after / before, "<= 1.05", detail)


def measure_all(
    bench: Bench, catalog: Catalog, networks: list[Network], memory_runs: int, gpu: Catalog | None = None
) -> Iterator[Measure]:
    """Every measure, one after the other; `gpu`: the same catalog, whose networks run on a GPU."""
    yield from atlas_encoding(networks, bench.large, bench.repetitions)
    for network in networks:
        yield bench.run_over_http(network)
        yield bench.run_and_overview(network)
        yield bench.prediction(network)
        yield from bench.usual_way(network)
        yield bench.unit(network)
        yield from crowd(bench.place, network, bench.threads, max(3, bench.repetitions // 5))
        if network.graph.input_shape[0] == 1:
            yield bench.live_drawing(network)
        if network.weights.ranges:
            narrow = catalog.network(network.id, precision="int8")
            yield from eight_bits(network, narrow, bench.threads, bench.repetitions)
        if gpu is not None:
            yield from accelerated(gpu.network(network.id), network, bench.large, device(), bench.repetitions)
    heaviest = max(networks, key=lambda network: network.graph.multiply_adds)
    if memory_runs:
        yield bench.memory(heaviest, memory_runs)


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speed", description="Measure against the floor.")
    parser.add_argument("--network", help="only this network")
    parser.add_argument("--repetitions", type=int, default=15, help="calls of each side (default %(default)s)")
    parser.add_argument("--memory-runs", type=int, default=1000, help="runs of the memory measure; 0 leaves it out")
    arguments = parser.parse_args()
    if arguments.network:
        require_same_machine()
    threads = available_cores()
    catalog = Catalog.open(Settings(threads=threads, provider="cpu"))
    catalog.prepare()
    networks = floor.open_networks(catalog, arguments.network)
    measures = []
    with serving(threads, cache_bytes=str(CACHE_BYTES)) as place:
        for measure in measure_all(
            Bench(place, threads, arguments.repetitions),
            catalog,
            networks,
            arguments.memory_runs,
            accelerating(threads, networks[0]),
        ):
            mark, one = "ok  " if measure.ok else "MISS", measure
            print(f"{mark} {one.network:10} {one.measure}: {one.value:.2f} ({one.target}) {one.detail}", flush=True)
            measures.append(measure)
    write_results(measures, only=arguments.network)


if __name__ == "__main__":
    main()
