"""What a second replica of a network brings on Ray Serve: python -m benchmarks.cluster [--network vgg16].

Starts a Ray cluster of its own on this machine, with one replica and then with two, one core each, and asks for
predictions from many clients at once. Prints answers a second and the ratio, and beside it what the cores allow: the
ratio of two plain processes of onnxruntime to one. (Two "cores" may be two threads of one; and a machine of two has
to share them with the ingress, the proxy and the clients.)
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import httpx
import ray
from ray import serve

from app.catalog import Catalog
from app.cluster import Arguments, build
from app.settings import Settings
from benchmarks.floor import forward
from benchmarks.pictures import half_megabyte, variants
from benchmarks.port import free_port

FILE = Path(__file__).with_name("cluster.json")


def throughput(url: str, network: str, clients: int, seconds: float) -> float:
    """Predictions a second, asked for by so many clients that each wait for their answer."""
    image, answered, until = next(variants(half_megabyte())), 0, time.perf_counter() + seconds
    lock = threading.Lock()

    def ask() -> None:
        nonlocal answered
        with httpx.Client(base_url=url, timeout=120) as client:
            while time.perf_counter() < until:
                answer = client.post(f"/api/v1/models/{network}/predictions", content=image)
                answer.raise_for_status()
                with lock:
                    answered += 1

    begun = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        for client in [pool.submit(ask) for _ in range(clients)]:
            client.result()  # what went wrong there goes on here
    return answered / (time.perf_counter() - begun)


def forwards(network: str, seconds: float) -> float:
    """Plain forward passes a second, on one core, of the file as it lies there."""
    catalog = Catalog.open(Settings())
    catalog.prepare()
    once = forward(catalog.network(network), 1)
    once()
    done, begun = 0, time.perf_counter()
    while time.perf_counter() - begun < seconds:
        once()
        done += 1
    return done / (time.perf_counter() - begun)


def plain(network: str, processes: int, seconds: float) -> float:
    """Forward passes a second of so many processes at once."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return sum(pool.map(forwards, [network] * processes, [seconds] * processes))


def measure(network: str, counts: Sequence[int], clients: int, seconds: float, redis: str) -> dict[int, float]:
    """Replicas -> predictions a second."""
    os.environ |= {"CONVSCOPE_RUNS": redis, "CONVSCOPE_PROVIDER": "cpu", "RAY_USAGE_STATS_ENABLED": "0"}
    port, found = free_port(), {}
    ray.init(num_cpus=max(counts) + 1, include_dashboard=False, log_to_driver=False)
    try:
        serve.start(proxy_location="HeadOnly", http_options={"host": "127.0.0.1", "port": port})
        for count in counts:
            serve.run(build(Arguments(networks=network, least=count, replicas=count, ingresses=1)))
            throughput(f"http://127.0.0.1:{port}", network, clients, 2)  # warm
            found[count] = throughput(f"http://127.0.0.1:{port}", network, clients, seconds)
            print(f"{network}, {count} replicas: {found[count]:.1f} predictions/s", flush=True)
        serve.shutdown()  # type: ignore[no-untyped-call]
    finally:
        ray.shutdown()
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and keep the figures beside this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--network", default="vgg16", help="the more it computes, the less the rest weighs")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=15)
    options = parser.parse_args(arguments)
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        redis = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        try:
            found = measure(options.network, (1, 2), options.clients, options.seconds, f"redis://127.0.0.1:{port}/0")
        finally:
            redis.terminate()
            redis.wait(10)
    bare = {count: plain(options.network, count, options.seconds) for count in (1, 2)}
    ratio, allowed = found[2] / found[1], bare[2] / bare[1]
    print(f"1 -> 2 replicas: {ratio:.2f} times; the cores allow {allowed:.2f}")
    document = {
        "network": options.network,
        "cores": len(os.sched_getaffinity(0)),
        "predictions_per_second": {str(count): round(value, 2) for count, value in found.items()},
        "ratio": round(ratio, 3),
        "plain_forwards_per_second": {str(count): round(value, 2) for count, value in bare.items()},
        "ratio_the_cores_allow": round(allowed, 3),
    }
    part = FILE.with_suffix(".part")
    part.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    part.replace(FILE)
    return 0


if __name__ == "__main__":
    sys.exit(main())
