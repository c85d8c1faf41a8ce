"""What a GPU gains, and whether it gives the processor's numbers: on a machine that has one."""

import shutil
import subprocess
from collections.abc import Iterator

import numpy as np

from app.catalog import Catalog
from app.engine import CPU, choose_providers
from app.network import Network
from app.settings import Settings
from benchmarks.measures import Measure, interleave


def device() -> str:
    """The name of the first GPU as NVIDIA's driver tells it; empty where there is no driver or no GPU."""
    command = shutil.which("nvidia-smi")
    if command is None:
        return ""
    told = subprocess.run(
        [command, "--query-gpu=name", "--format=csv,noheader"], capture_output=True, text=True, check=False
    )
    return told.stdout.partition("\n")[0].strip() if told.returncode == 0 else ""


def accelerating(threads: int, network: Network) -> Catalog | None:
    """The catalog with networks that run on the GPU; None where this machine's onnxruntime does not bring one up.

    Args:
        threads: of an inference, for what stays on the processor.
        network: any one, to try it with.
    """
    if choose_providers("auto")[0] == CPU:
        return None
    catalog = Catalog.open(Settings(threads=threads, provider="auto"))
    catalog.prepare()
    return None if catalog.network(network.id).engine.provider == CPU else catalog


def accelerated(gpu: Network, cpu: Network, photo: bytes, name: str, repetitions: int) -> Iterator[Measure]:
    """All activations of a photo on the GPU and on the processor: how far apart they are, and how long each takes.

    The difference is that of the layer where it is largest, against the layer's largest activation. A run's time
    includes copying every activation back from the GPU, as a run that is kept needs it.

    Args:
        gpu, cpu: the same network, as each computes it.
        photo: an encoded image.
        name: of the GPU.
        repetitions: runs of each side.
    """
    tensor = cpu.tensor(cpu.decode(photo, max_pixels=10**7))  # (C, H, W)
    found, expected = gpu.engine.run(tensor), cpu.engine.run(tensor)
    furthest, where = max(
        (float(np.abs(found[layer] - right).max() / max(np.abs(right).max(), 1e-12)), layer)
        for layer, right in expected.items()
    )
    yield Measure(
        "GPU, largest difference / largest activation",
        cpu.id,
        furthest,
        "<= 0.001",
        f"{furthest:.1e} at {where}, {name}",
    )
    gpu_ms, cpu_ms = interleave((lambda: gpu.engine.run(tensor), lambda: cpu.engine.run(tensor)), repetitions)
    detail = f"{gpu_ms:.2f} ms on {name} against {cpu_ms:.2f} ms on the processor"
    yield Measure("GPU, a run's gain over the processor", cpu.id, cpu_ms / gpu_ms, "", detail)
