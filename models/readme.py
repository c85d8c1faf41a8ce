"""The README's table of networks, written from manifests and graphs."""

from pathlib import Path

import onnx

from app.graph import read_graph
from app.manifest import Accuracy, Packed, read_manifest
from models.bundle import write_atomically

BEGIN, END = "<!-- networks: written by python -m models.accuracy -->", "<!-- /networks -->"


def row(folder: Path) -> str:
    """One network: title, parameters, bytes shipped, top-1 as shipped, before packing and on 8 bits."""
    manifest = read_manifest(folder / "manifest.json")
    weights = manifest.get_weights(manifest.default_weights)
    graph = read_graph(onnx.load(folder / weights.graph, load_external_data=False), manifest)
    files = [folder / weights.graph]
    if isinstance(weights.origin, Packed):
        files.append(folder / weights.origin.archive)
    size = sum(file.stat().st_size for file in files)
    shipped = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} kB"
    before = weights.accuracy_before_packing or (None if isinstance(weights.origin, Packed) else weights.accuracy)
    dataset = weights.accuracy.dataset if weights.accuracy else "not trained yet"
    cells = (
        manifest.title,
        f"{graph.parameters:,}",
        shipped,
        dataset,
        share(weights.accuracy),
        share(before),
        share(weights.accuracy_int8),
    )
    return f"| {' | '.join(cells)} |"


def share(accuracy: Accuracy | None) -> str:
    """Per cent, or a dash where nothing was measured."""
    return "-" if accuracy is None else f"{100 * accuracy.top1:.2f} %"


def table(folders: list[Path]) -> str:
    """The table in Markdown."""
    head = "| network | parameters | shipped | measured on | top-1 | top-1, uncompressed | top-1, int8 |"
    return "\n".join([head, "|---|--:|--:|---|--:|--:|--:|", *map(row, folders)])


def write_table(readme: Path, folders: list[Path]) -> None:
    """Replace the README's table.

    Raises:
        ValueError: the README has no place marked for it.
    """
    text = readme.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{readme} has no place for the table: put the lines {BEGIN} and {END} there.")
    write_atomically(readme, f"{before}{BEGIN}\n{table(folders)}\n{END}{after}".encode())
