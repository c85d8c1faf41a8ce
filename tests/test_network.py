"""A network as notebooks, the command line and the service use it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from app import open_network
from app.catalog import Catalog
from app.errors import ImageUndecodable, InvalidValue, LayerNotFound, NotSupported
from app.imaging import as_image
from app.network import Network
from app.settings import Settings
from tests.small_onnx import classifier, save


@pytest.fixture
def small(tmp_path: Path) -> Network:
    """A small network with one convolution, as the operator's own file."""
    path = save(classifier(size=16), tmp_path / "small.onnx")
    return Catalog.open(Settings(onnx=path, cache_dir=tmp_path, provider="cpu")).network("small")


@pytest.fixture
def picture() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, 256, size=(40, 60, 3), dtype=np.uint8)


def test_a_run_from_a_path_bytes_or_pixels_is_the_same(
    small: Network, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], tmp_path: Path
) -> None:
    path = tmp_path / "picture.png"
    Pillow.fromarray(picture).save(path)
    runs = [small.run(source) for source in (path, str(path), path.read_bytes(), picture)]
    for run in runs[1:]:
        assert run.predictions == runs[0].predictions
        for name, activation in runs[0].activations.items():
            assert np.array_equal(run[name], activation)


def test_a_run_gives_predictions_activations_and_explanations(
    small: Network, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    run = small.run(picture)
    probabilities = [prediction.probability for prediction in run.predictions]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) == pytest.approx(1)
    assert small.predict(run.image, top=2) == run.predictions[:2]
    conv = next(layer for layer in small.graph.layers if layer.op == "conv")
    explanation = run.explain(conv.name, 1, 2, 3)
    assert explanation.value == pytest.approx(float(run[conv.name][1, 2, 3]))
    with pytest.raises(LayerNotFound, match=conv.name):
        _ = run["nothing"]


def test_the_filters_are_the_graphs_own(small: Network) -> None:
    conv = next(layer for layer in small.graph.layers if layer.op == "conv")
    full = next(layer for layer in small.graph.layers if layer.op == "full")
    assert small.filters(conv.name).shape == (4, 3, 3, 3)
    assert small.filters(full.name).shape == (5, 256)


def test_what_is_no_picture_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ImageUndecodable, match="absent"):
        as_image(tmp_path / "absent.png")
    with pytest.raises(InvalidValue, match="float64"):
        as_image(np.zeros((4, 4, 3)))  # type: ignore[arg-type]  # what a notebook may well pass
    with pytest.raises(InvalidValue, match=r"\(4, 4, 2\)"):
        as_image(np.zeros((4, 4, 2), np.uint8))
    assert as_image(np.zeros((4, 6), np.uint8)).pixels.shape == (4, 6, 3)


def test_a_manifest_that_does_not_fit_the_graph_says_so(
    small: Network, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]
) -> None:
    wrong = small.weights.preprocessing.model_copy(update={"crop": (8, 8)})
    network = Network(
        small.manifest, small.weights.model_copy(update={"preprocessing": wrong}), small.path, small.cache_dir
    )
    with pytest.raises(NotSupported, match=r"\(3, 8, 8\).*\(3, 16, 16\)"):
        network.run(picture)


def test_the_digest_tells_networks_apart(small: Network, tmp_path: Path) -> None:
    path = save(classifier(size=16, seed=1), tmp_path / "other.onnx")
    other = Catalog.open(Settings(onnx=path, cache_dir=tmp_path, provider="cpu")).network("other")
    assert other.digest != small.digest


def test_open_network_in_a_notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE_DIR", str(tmp_path))
    first = Catalog.open(Settings()).models[0]
    network = open_network(first.id)
    assert network.id == first.id
    canvas = np.full((100, 100), 255, np.uint8)
    canvas[20:80, 48:54] = 0
    run = network.run(canvas)
    assert len(run.predictions) == network.graph.classes
