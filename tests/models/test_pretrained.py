"""Torchvision's weights, by way of files of the same structure from a server of the test's own."""

import hashlib
import io
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from app.catalog import Catalog
from models import pretrained
from models.architectures import NETWORKS, build
from models.export import main
from models.pretrained import PRETRAINED, load, promised
from tests.conftest import MakeSettings, draw_scene
from tests.mirror import Mirror, serving_mirror
from tests.models.test_golden import randomise_normalisation


def file_of(name: str) -> tuple[bytes, torch.nn.Module]:
    """A file as torchvision has it of that network, with random numbers, and the network it was saved from."""
    torch.manual_seed(3)
    network = build(PRETRAINED[name].architecture)
    randomise_normalisation(network)
    file = io.BytesIO()
    torch.save(network.state_dict(), file)
    return file.getvalue(), network.eval()


def named_after(content: bytes, name: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name that torchvision would give this file."""
    file = f"{name}-{hashlib.sha256(content).hexdigest()[:8]}.pth"
    monkeypatch.setitem(pretrained.PRETRAINED, name, replace(PRETRAINED[name], file=file))
    return file


def test_every_file_promises_eight_digits_of_its_digest_and_has_an_architecture() -> None:
    assert len(PRETRAINED) == 11
    for name, published in PRETRAINED.items():
        assert len(promised(published.file)) == 8 and int(promised(published.file), 16) >= 0, name
        assert published.architecture in NETWORKS


@pytest.mark.parametrize("name", ["resnet50", "googlenet"])
def test_weights_become_a_file_that_is_served_and_computes_the_same(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make_settings: MakeSettings
) -> None:
    content, network = file_of(name)
    file = named_after(content, name, monkeypatch)
    with serving_mirror(Mirror(content, piece=1 << 20)) as mirror:
        words = [name, "--weights", "imagenet", "-o", str(tmp_path / "out"), "--cache", str(tmp_path / "kept")]
        monkeypatch.setattr(sys, "argv", ["export", *words, "--base-url", f"{mirror.url}/models/"])
        assert main() == 0
        assert mirror.paths == [f"/models/{file}"]
        assert main() == 0 and len(mirror.paths) == 1  # it is kept
    settings = make_settings(onnx=tmp_path / "out" / f"{name}.onnx", manifest=tmp_path / "out" / f"{name}.json")
    served = Catalog.open(settings).network(f"{name}-torchvision")
    assert served.labels[0] == "tench" and len(served.labels) == 1000
    image = np.asarray(draw_scene())
    run = served.run(image)
    with torch.no_grad():
        expected = network(torch.from_numpy(served.tensor(run.image)[None]))[0].numpy()
    got = np.zeros(1000, np.float32)
    for one in run.predictions:
        got[one.index] = one.probability
    np.testing.assert_allclose(got, expected, rtol=1e-3, atol=1e-6)


def test_a_file_with_another_digest_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    content = b"not what the name says"
    monkeypatch.setattr(
        sys, "argv", ["export", "resnet18", "--weights", "imagenet", "-o", str(tmp_path), "--cache", str(tmp_path)]
    )
    with serving_mirror(Mirror(content)) as mirror:
        sys.argv += ["--base-url", mirror.url]
        assert main() == 1
    assert "invalid hash value" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_other_parameters_are_refused_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = build("resnet18")
    state = network.state_dict()
    state["fc.extra"] = state.pop("fc.bias")
    with pytest.raises(RuntimeError, match=r"(?s)Missing key.*fc\.bias.*Unexpected key.*fc\.extra"):
        pretrained.export_pretrained("resnet18", state, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_kept_file_that_was_damaged_is_fetched_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = io.BytesIO()
    torch.save({"a": torch.ones(3)}, file)
    name = named_after(file.getvalue(), "resnet18", monkeypatch)
    (tmp_path / name).write_bytes(b"damaged")
    with serving_mirror(Mirror(file.getvalue())) as mirror:
        assert load("resnet18", mirror.url, tmp_path)["a"].tolist() == [1, 1, 1]


def test_the_command_says_what_there_is_and_what_failed(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "models.export"]
    asked = subprocess.run([*command, "lenet5", "--weights", "imagenet"], capture_output=True, text=True, check=False)
    assert asked.returncode == 2 and "resnet50" in asked.stderr
    words = ["resnet18", "--weights", "imagenet", "--base-url", "http://127.0.0.1:9", "--cache", str(tmp_path)]
    asked = subprocess.run([*command, *words], capture_output=True, text=True, check=False, cwd=Path.cwd())
    assert asked.returncode == 1
    assert asked.stderr.startswith("models.export: resnet18: ") and "Traceback" not in asked.stderr


def test_what_can_be_pulled_is_written_the_same_again(tmp_path: Path) -> None:
    from models.model_zoo import PULLABLE, ZOO, write_pullable

    for name in ("googlenet", "bvlcalexnet"):
        write_pullable(name, ZOO[name], tmp_path)
        written, kept = (json.loads((root / name / "manifest.json").read_text()) for root in (tmp_path, PULLABLE))
        assert written == kept
        assert (tmp_path / name / "structure.onnx").read_bytes() == (PULLABLE / name / "structure.onnx").read_bytes()
