"""The command line, run for real: every verb, and what it says when asked for wrongly."""

import errno
import json
import logging
import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx
import pytest
from PIL import Image

from app.catalog import Catalog
from app.cli import main
from app.network import Network
from app.places import CHECKOUT
from app.verbs import find_images
from tests.conftest import NOWHERE, draw_scene
from tests.small_onnx import classifier, rooted, save

Command = Callable[..., tuple[int, str, str]]
MNIST = CHECKOUT.parent / "shared" / "data" / "onnx" / "mnist-12.onnx"


@pytest.fixture
def run(
    catalog: Catalog, cache_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Command:
    """Runs a command in this process: exit status, stdout, stderr. The weights are made already, by `catalog`."""
    monkeypatch.setenv("CONVSCOPE_CACHE_DIR", str(cache_dir))
    monkeypatch.setenv("CONVSCOPE_PROVIDER", "cpu")
    monkeypatch.setenv("CONVSCOPE_THREADS", "1")
    monkeypatch.setenv("CONVSCOPE_PULL_URLS", NOWHERE)

    root = logging.getLogger()

    def command(*words: str | Path) -> tuple[int, str, str]:
        handlers, level = root.handlers[:], root.level
        try:
            status = main([str(word) for word in words])
        except SystemExit as stop:  # argparse
            status = stop.code if isinstance(stop.code, int) else 1
        finally:  # `serve` sets logging up for its own process
            root.handlers[:] = handlers
            root.setLevel(level)
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return status, captured.out, captured.err

    return command


@pytest.fixture
def network(catalog: Catalog) -> Network:
    """The smallest of the bundled networks."""
    return min(
        (catalog.network(manifest.id) for manifest in catalog.models), key=lambda network: network.graph.parameters
    )


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of three pictures, one of them in a folder inside, and a file that is none."""
    folder = tmp_path / "pictures"
    (folder / "more").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "b.jpg", "more/c.png")):
        draw_scene(seed).save(folder / name)
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A network of the operator's own."""
    return save(classifier(), tmp_path / "own.onnx")


def test_models_lists_every_network_with_every_weights(run: Command, catalog: Catalog) -> None:
    status, out, _ = run("models", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [(row["id"], row["weights"]) for row in rows] == [(n.id, n.weights_id) for n in catalog.networks]
    for row, network in zip(rows, catalog.networks, strict=True):
        assert row["parameters"] == network.graph.parameters
        assert row["layers"] == [layer.name for layer in network.graph.layers]
    status, out, _ = run("models", "--prepare")
    assert status == 0
    assert len(out.splitlines()) == len(rows)


def test_predict_answers_as_the_service(run: Command, network: Network, pictures: Path, api: httpx.Client) -> None:
    status, out, _ = run("predict", pictures, "--model", network.id, "--top", "3", "--json")
    rows = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [Path(row["image"]).name for row in rows] == ["a.png", "b.jpg", "c.png"]
    for row in rows:
        url = f"/api/v1/models/{network.id}/predictions?top=3"
        served = api.post(url, files={"image": Path(row["image"]).read_bytes()}).json()["predictions"]
        assert [one["label"] for one in row["predictions"]] == [one["label"] for one in served]
        assert [one["probability"] for one in row["predictions"]] == pytest.approx(
            [one["probability"] for one in served], abs=1e-6
        )


def test_predict_for_people(run: Command, network: Network, pictures: Path) -> None:
    status, out, _ = run("predict", pictures / "a.png", "--model", network.id, "--top", "2")
    assert status == 0
    assert re.fullmatch(r".*a\.png: .+ \d+\.\d\d%, .+ \d+\.\d\d%\n", out)


def test_one_unreadable_image_does_not_stop_the_others(run: Command, network: Network, pictures: Path) -> None:
    (pictures / "broken.png").write_bytes(b"\x89PNG")
    status, out, err = run("predict", pictures, "--model", network.id)
    assert status == 1
    assert len(out.splitlines()) == 3
    assert "broken.png" in err


def test_an_image_without_probabilities_does_not_stop_the_others(run: Command, tmp_path: Path) -> None:
    for name, colour in (("black.png", "black"), ("white.png", "white")):
        Image.new("RGB", (16, 16), colour).save(tmp_path / name)
    own = save(rooted(), tmp_path / "own.onnx")
    status, out, err = run("predict", tmp_path, "--onnx", own, "--json")
    assert status == 1
    assert [Path(json.loads(line)["image"]).name for line in out.splitlines()] == ["white.png"]
    assert "black.png: The network has no probabilities" in err
    status, out, _ = run("activations", tmp_path / "black.png", "--onnx", own, "--layer", "root", "-o", tmp_path)
    assert status == 0 and np.isnan(np.load(tmp_path / "black.png.root.npy")).all()


def test_activations_of_one_layer_into_a_file(run: Command, network: Network, pictures: Path, tmp_path: Path) -> None:
    layer = network.graph.layers[1].name
    target = tmp_path / "new" / "one.npy"
    status, out, _ = run("activations", pictures / "a.png", "--model", network.id, "--layer", layer, "-o", target)
    assert status == 0
    assert f"{target}: {layer} of" in out and "(C x H x W)" in out
    np.testing.assert_array_equal(np.load(target), network.run(pictures / "a.png")[layer])


def test_activations_of_a_folder_and_several_layers(
    run: Command, network: Network, pictures: Path, tmp_path: Path
) -> None:
    first, last = network.graph.layers[1].name, network.graph.layers[-1].name
    target = tmp_path / "out"
    status, _, _ = run(
        "activations", pictures, "--model", network.id, "--layer", first, "--layer", last, "-o", target
    )
    assert status == 0
    expected = {f"{name}.{layer}.npy" for name in ("a.png", "b.jpg", "more/c.png") for layer in (first, last)}
    assert {str(path.relative_to(target)) for path in target.rglob("*.npy")} == expected
    np.testing.assert_array_equal(
        np.load(target / "more" / f"c.png.{last}.npy"), network.run(pictures / "more" / "c.png")[last]
    )


def test_activations_that_would_overwrite_each_other_are_refused_by_both_names(
    run: Command, network: Network, pictures: Path, tmp_path: Path
) -> None:
    draw_scene(7).save(pictures / "more" / "a.png")
    layer = network.graph.layers[1].name
    words = ("--model", network.id, "--layer", layer, "-o", tmp_path / "out")
    assert run("activations", pictures, *words)[0] == 0, "each below its folder"
    status, _, err = run("activations", pictures / "a.png", pictures / "more" / "a.png", *words)
    assert status == 2
    assert f"{pictures / 'a.png'} and {pictures / 'more' / 'a.png'} are both called a.png" in err


def test_a_folder_is_read_with_its_links_and_refused_where_a_part_is_closed(
    run: Command, network: Network, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    draw_scene(9).save(elsewhere / "d.png")
    (pictures / "link").symlink_to(elsewhere)
    (pictures / "more" / "round").symlink_to(pictures)  # a circle
    assert sorted(str(one.name) for one in find_images([pictures])) == ["a.png", "b.jpg", "link/d.png", "more/c.png"]
    scandir = os.scandir

    def closed(place: str) -> Any:
        if Path(place).name == "more":
            raise PermissionError(errno.EACCES, "Permission denied", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", closed)  # root, who runs these tests in CI, may read everything
    status, out, err = run("predict", pictures, "--model", network.id)
    assert (status, out) == (2, "")
    assert f"{pictures / 'more'} cannot be read: Permission denied." in err


def test_a_name_that_is_no_text_is_escaped(run: Command, network: Network, tmp_path: Path) -> None:
    odd = os.fsdecode(os.fsencode(tmp_path / "odd") + b"\xff.png")
    try:
        draw_scene(3).save(odd)
    except OSError:
        pytest.skip("this file system takes no such name")
    status, out, _ = run("predict", odd, "--model", network.id, "--json")
    assert status == 0
    row = json.loads(out)
    assert row["image"].endswith("odd\\xff.png")
    assert row["trained"] is network.trained and row["precision"] == "fp32"


def test_a_full_disk_is_told_as_one(
    run: Command, network: Network, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("app.verbs.replacing", full)
    layer = network.graph.layers[1].name
    status, _, err = run(
        *("activations", pictures / "a.png", "--model", network.id, "--layer", layer, "-o", tmp_path / "x.npy")
    )
    assert status == 1
    assert "x.npy cannot be written: No space left on device. To go on, free some space" in err


def test_what_the_system_refuses_is_a_sentence(run: Command, network: Network) -> None:
    status, _, err = run("predict", "x" * 300, "--model", network.id)
    assert status == 2 and "File name too long" in err
    status, _, err = run("models", "--onnx", "x" * 300)
    assert status == 1 and "File name too long" in err


def test_explain_names_the_sources_of_a_unit(run: Command, network: Network, pictures: Path) -> None:
    layer = next(layer for layer in network.graph.layers if layer.op == "conv")
    words = ("explain", pictures / "a.png", "--model", network.id, "--layer", layer.name, "--unit", "0,2,3")
    status, out, _ = run(*words, "--json")
    answer = json.loads(out)
    assert status == 0
    total = sum(
        np.dot(np.ravel(source["values"]), np.ravel(source["weights"])) for source in answer["sources"]
    ) + float(answer["bias"])
    assert total == pytest.approx(answer["sum"], rel=1e-4, abs=1e-4)
    assert answer["value"] == pytest.approx(float(network.run(pictures / "a.png")[layer.name][0, 2, 3]), abs=1e-5)
    status, out, _ = run(*words)
    assert status == 0
    assert layer.name in out
    assert answer["expression"] in out


def test_an_own_network_needs_no_model_flag(run: Command, own: Path, pictures: Path) -> None:
    status, out, _ = run("predict", pictures / "a.png", "--onnx", own, "--json")
    assert status == 0
    assert json.loads(out)["model"] == "own"


@pytest.mark.skipif(not MNIST.exists(), reason=f"{MNIST} is not on this machine")
def test_a_network_of_the_model_zoo_reads_a_digit(run: Command) -> None:
    status, out, _ = run("predict", CHECKOUT / "docs" / "seven.png", "--onnx", MNIST, "--top", "1", "--json")
    assert status == 0
    assert json.loads(out)["predictions"][0]["label"] == "7"


def broken(path: Path) -> None:
    path.write_text("this is no network")


def unknown_operator(path: Path) -> None:
    model = classifier()
    model.graph.node[1].op_type, model.graph.node[1].domain = "Frobnicate", "org.example"
    model.opset_import.append(onnx.helper.make_opsetid("org.example", 1))
    save(model, path)


def data_outside(path: Path) -> None:
    model = classifier()
    onnx.save(model, path, save_as_external_data=True, location="numbers.bin", size_threshold=0)
    moved = onnx.load(path, load_external_data=False)
    for tensor in moved.graph.initializer:
        tensor.external_data[0].value = "../numbers.bin"
    path.write_bytes(moved.SerializeToString())


@pytest.mark.parametrize(
    ("make", "message"),
    [(broken, "not an ONNX file"), (unknown_operator, "Frobnicate"), (data_outside, "outside its own folder")],
)
def test_serve_refuses_what_it_cannot_serve(
    run: Command, tmp_path: Path, make: Callable[[Path], None], message: str
) -> None:
    make(tmp_path / "own.onnx")
    status, _, err = run("serve", "--onnx", tmp_path / "own.onnx")
    assert status == 1
    assert re.fullmatch(f"convscope: .*{message}.*\n", err)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "COMMAND"),
        (("predict", "a.png", "--top", "0", "--model", "x"), "--top"),
        (("predict", "a.png"), "--model"),
        (("predict", "a.png", "--model", "nothing"), "no network 'nothing'"),
        (("predict", "a.png", "--model", "MODEL", "--weights", "nothing"), "no weights 'nothing'"),
        (("predict", "absent.png", "--model", "MODEL"), "no file absent.png"),
        (("predict", ".", "--model", "MODEL"), "no images"),
        (("activations", "a.png", "--model", "MODEL", "--layer", "nothing", "-o", "x.npy"), "nothing"),
        (("activations", "a.png", "a.png", "--model", "MODEL", "--layer", "LAYER", "-o", "x.npy"), "one file"),
        (("activations", "a.png", "a.png", "--model", "MODEL", "--layer", "LAYER", "-o", "x"), "overwrite"),
        (("explain", "a.png", "--model", "MODEL", "--layer", "LAYER", "--unit", "1,2"), "--unit"),
        (("explain", "a.png", "--model", "MODEL", "--layer", "LAYER", "--unit", "0,9999,0"), "9999"),
        (("serve", "--port", "99999"), "--port is '99999'"),
        (("serve", "--ssl-certfile", "absent.pem"), "absent.pem"),
        (("serve", "--ssl-certfile", "a.png"), "--ssl-certfile a.png cannot be used"),
        (("serve", "--ssl-keyfile", "a.png"), "without a certificate"),
        (("serve", "--provider", "tpu"), "--provider is 'tpu': Input should be 'auto', 'cpu', 'cuda' or 'tensorrt'"),
        (("serve", "--manifest", "x.json"), "name that too, as --onnx"),
        (("predict", "", "--model", "MODEL"), "an empty name is no image"),
        (("predict", "a.png", "--model", "MODEL", "--top", "x"), "'x' is no whole number from 1"),
        (("explain", "absent.png", "--model", "MODEL", "--layer", "LAYER", "--unit", "0,0,0"), "no file absent.png"),
    ],
)
def test_wrong_usage_is_told_in_a_sentence(
    run: Command,
    network: Network,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    message: str,
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    if "a.png" in words:
        draw_scene().save(empty / "a.png")
    stands_for = {"MODEL": network.id, "LAYER": network.graph.layers[1].name}
    status, out, err = run(*(stands_for.get(word, word) for word in words))
    assert status == 2
    assert out == ""
    assert message in err


@pytest.mark.parametrize(
    ("output", "status", "words"), [("/dev/full", 1, "No space left on device"), ("closed", 0, "")]
)
def test_an_output_that_takes_nothing_is_told_once(output: str, status: int, words: str) -> None:
    script = Path(sys.executable).with_name("convscope")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    reading, writing = os.pipe()
    os.close(reading)  # nobody will read
    with open(output, "wb") if output != "closed" else os.fdopen(writing, "wb") as file:  # noqa: PTH123
        asked = subprocess.run(
            [script, "models"], stdout=file, stderr=subprocess.PIPE, text=True, env=environment, check=False
        )
    if output != "closed":
        os.close(writing)
    assert asked.returncode == status
    assert asked.stderr.count("\n") == (1 if words else 0) and words in asked.stderr


def test_serve_says_that_its_port_is_taken(run: Command) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, err = run("serve", "--port", str(port))
    assert status == 1
    assert f"Nothing can listen on 127.0.0.1, port {port}: Address already in use. Choose another" in err


def test_the_console_script(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("convscope")
    asked = subprocess.run([script, "--version"], capture_output=True, text=True, check=True, cwd=tmp_path)
    assert re.fullmatch(r"convscope \d+\.\d+\.\d+\n", asked.stdout)
    refused = subprocess.run([script, "serve", "--port", "no"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert refused.stderr.startswith("convscope: --port is 'no'")
