"""The benchmark's arithmetic: what is on target, what is written, and that its pictures are what they claim."""

import io
import json
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.catalog import Catalog
from benchmarks import accelerator
from benchmarks.accelerator import accelerated, accelerating, device
from benchmarks.measures import Measure, interleave
from benchmarks.pictures import drawn_digit, half_megabyte, variants

pytest.importorskip("matplotlib")


@pytest.mark.parametrize(
    ("value", "target", "ok"),
    [(1.1, "<= 1.12", True), (1.2, "<= 1.12", False), (5.0, ">= 5", True), (4.9, ">= 5", False)],
)
def test_a_measure_knows_its_side_of_the_target(value: float, target: str, ok: bool) -> None:
    assert Measure("m", "n", value, target).ok is ok


def test_sides_take_turns() -> None:
    calls: list[str] = []
    medians = interleave((lambda: calls.append("a"), lambda: calls.append("b")), repetitions=3, warm=1)
    assert calls == ["a", "b"] * 4 and len(medians) == 2


def test_the_large_photo_has_half_a_megabyte() -> None:
    assert 450_000 < len(half_megabyte()) < 550_000


@pytest.mark.parametrize("made", [half_megabyte, drawn_digit])
def test_every_upload_is_another_file_of_the_same_picture(made: Callable[[], bytes]) -> None:
    picture = made()
    uploads = list(islice(variants(picture), 12))
    assert len(set(uploads)) == 12
    pixels = {Image.open(io.BytesIO(upload)).tobytes() for upload in (picture, *uploads)}
    assert len(pixels) == 1


def test_results_are_a_list_with_the_machine_beside_it(tmp_path: Path) -> None:
    from benchmarks.report import write_results

    write_results([Measure("run", "lenet5", 3.5, "<= 4", "x"), Measure("png", "", 4, ">= 5")], tmp_path)
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [set(row) >= {"measure", "network", "value", "target", "ok"} for row in rows] == [True, True]
    assert [row["ok"] for row in rows] == [True, False]
    assert json.loads((tmp_path / "machine.json").read_text())["cores"] >= 1
    assert "**no**" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "results.png").stat().st_size > 1000


def test_one_networks_rows_are_written_among_those_of_the_same_machine(tmp_path: Path) -> None:
    from benchmarks.report import write_results

    before = [
        Measure("png", "", 6, ">= 5"),
        Measure("run", "lenet5", 2.834567, "<= 4"),
        Measure("run", "vgg16", 1.1, ""),
    ]
    write_results(before, tmp_path)
    once = (tmp_path / "results.md").read_text()
    write_results([Measure("png", "", 9, ">= 5"), Measure("run", "vgg16", 1.1, "")], tmp_path, only="vgg16")
    assert (tmp_path / "results.md").read_text() == once, "rows of others stay to the last digit"
    write_results([Measure("run", "lenet5", 3.5, "<= 4")], tmp_path, only="lenet5")
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [(row["network"], row["value"]) for row in rows] == [("", 6), ("lenet5", 3.5), ("vgg16", 1.1)]
    (tmp_path / "machine.json").write_text("{}")
    with pytest.raises(SystemExit, match="another machine"):
        write_results([Measure("run", "lenet5", 4, "<= 4")], tmp_path, only="lenet5")
    assert json.loads((tmp_path / "results.json").read_text()) == rows


def test_a_gpu_is_compared_with_the_processor_layer_by_layer(
    catalog: Catalog, digit: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpu = catalog.networks[0]
    same, gain = accelerated(cpu, cpu, digit, "NVIDIA X", 1)
    assert same.ok and same.value == 0 and "NVIDIA X" in same.detail
    assert gain.value > 0 and "on NVIDIA X" in gain.detail

    last = cpu.graph.layers[-1].name
    run = type(cpu.engine).run
    calls = iter([1.01])  # the first to be asked stands for the GPU

    def off(engine: Any, tensor: Any) -> dict[str, Any]:
        factor = next(calls, 1.0)
        return {name: array * (factor if name == last else 1) for name, array in run(engine, tensor).items()}

    monkeypatch.setattr(type(cpu.engine), "run", off)
    different = next(accelerated(cpu, cpu, digit, "NVIDIA X", 1))
    assert not different.ok and different.value == pytest.approx(0.01, rel=1e-3) and last in different.detail


def test_a_gpu_is_asked_for_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert device() == "", "no driver, no GPU"
    told = tmp_path / "nvidia-smi"
    told.write_text("#!/bin/sh\necho 'NVIDIA X'\necho 'NVIDIA Y'\n")
    told.chmod(0o755)
    assert device() == "NVIDIA X"
    told.write_text("#!/bin/sh\necho 'No devices were found'; exit 6\n")
    assert device() == ""


def test_nothing_is_measured_on_a_gpu_that_does_not_come_up(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(accelerator, "choose_providers", lambda _: ["CPUExecutionProvider"])
    assert accelerating(1, catalog.networks[0]) is None


def test_what_is_written_is_of_the_last_measurement() -> None:
    from benchmarks import capacity

    assert capacity.PAGE.read_text(encoding="utf-8") == capacity.page(json.loads(capacity.FIGURES.read_text()))


def test_the_accuracies_of_the_results_are_those_of_the_manifests(catalog: Catalog) -> None:
    from benchmarks.eight_bits import lost
    from benchmarks.report import FOLDER

    rows = json.loads((FOLDER / "results.json").read_text())
    for model in catalog.models:
        stated = [measure.document() for measure in lost(catalog.network(model.id))]
        assert stated, f"{model.id} has no figures: run python -m models.accuracy {model.id}"
        for row in stated:
            assert row in rows, f"run python -m benchmarks.speed --network {model.id}"
