"""Results as JSON, as a Markdown table and as a picture."""

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from matplotlib.figure import Figure

from app.cores import available_cores
from benchmarks.accelerator import device
from benchmarks.measures import Measure

FOLDER = Path(__file__).parent


def machine() -> dict[str, str | int]:
    """What the figures were measured on, as far as the system tells."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    flags: set[str] = set()
    if info.exists():
        lines = [line.partition(":") for line in info.read_text(encoding="utf-8").splitlines()]
        fields = {key.strip(): value.strip() for key, _, value in reversed(lines)}
        model, flags = fields.get("model name", model), set(fields.get("flags", "").split())
    wide = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_int8") if flag in flags]
    described: dict[str, str | int] = {
        "processor": model,
        "vectors": " ".join(wide),
        "cores": available_cores(),
        "onnxruntime": next((found for name in ("onnxruntime-gpu", "onnxruntime") if (found := installed(name))), ""),
        "python": platform.python_version(),
        "system": f"{platform.system()} {os.uname().release}" if hasattr(os, "uname") else platform.system(),
    }
    return {**described, "gpu": gpu} if (gpu := device()) else described


def installed(name: str) -> str:
    """The version of an installed package, or nothing."""
    try:
        return version(name)
    except ModuleNotFoundError:
        return ""


def table(measures: Sequence[Measure]) -> str:
    """One row a measure and network."""
    rows = [
        f"| {one.measure} | {one.network or '-'} | {one.value:.2f} | {one.target or '-'} | "
        f"{('yes' if one.ok else '**no**') if one.target else '-'} | {one.detail or '-'} |"
        for one in measures
    ]
    return "\n".join(
        ["| measured | network | value | target | reached | detail |", "|---|---|--:|--:|---|---|", *rows]
    )


def plot(measures: Sequence[Measure], path: Path) -> None:
    """Values over their targets, one bar each: to the left of 1 is reached; writes a PNG."""
    bars = []
    for one in measures:
        if one.target:
            relation, _, bound = one.target.partition(" ")
            share = one.value / float(bound) if relation == "<=" else float(bound) / one.value
            bars.append((f"{one.measure}{f' ({one.network})' if one.network else ''}", share, one.ok))
    bars.reverse()
    figure = Figure(figsize=(10, 1 + 0.26 * len(bars)), layout="constrained")
    axes = figure.subplots()
    colours = ["#0072b2" if ok else "#d55e00" for _, _, ok in bars]
    axes.barh([name for name, _, _ in bars], [share for _, share, _ in bars], color=colours)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.margins(y=0.01)
    axes.set(xlabel="part of what the target allows (1: exactly on target; a logarithmic scale)")
    axes.tick_params(axis="y", labelsize=7)
    part = path.with_suffix(".part.png")
    figure.savefig(part, dpi=110)
    part.replace(path)


def require_same_machine(folder: Path = FOLDER) -> None:
    """Raise SystemExit where the rows in `folder` are of another machine: those of one network would not fit in."""
    file = folder / "machine.json"
    if file.exists() and (there := json.loads(file.read_text(encoding="utf-8"))) != machine():
        raise SystemExit(f"{folder} holds rows of another machine, {there}. Measure all networks anew.")


def with_others(measures: Sequence[Measure], only: str, folder: Path) -> list[Measure]:
    """The rows of one network among those that stand in `folder`.

    Raises:
        SystemExit: those were measured on another machine.
    """
    require_same_machine(folder)
    rows = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    kept = [Measure(**{key: value for key, value in row.items() if key != "ok"}) for row in rows]
    first = next((place for place, one in enumerate(kept) if one.network == only), len(kept))
    others = [one for one in kept if one.network != only]
    return [*others[:first], *(one for one in measures if one.network == only), *others[first:]]


def write_results(measures: Sequence[Measure], folder: Path = FOLDER, only: str | None = None) -> None:
    """Write results.json, results.md and results.png, each whole or not at all; `only`: the rows of one network."""
    if only is not None and (folder / "results.json").exists():
        measures = with_others(measures, only, folder)
    document = {"machine": machine(), "results": [one.document() for one in measures]}
    described = ", ".join(f"{key} {value}" for key, value in machine().items())
    files = {
        "results.json": json.dumps(document["results"], indent=1),
        "machine.json": json.dumps(document["machine"], indent=1),
        "results.md": f"Measured on: {described}.\n\n{table(measures)}",
    }
    for name, text in files.items():
        part = folder / f"{name}.part"
        part.write_text(text + "\n", encoding="utf-8")
        part.replace(folder / name)
    plot(measures, folder / "results.png")
