"""A network as notebooks, the command line and the service use it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from app import open_network
from app.catalog import Catalog
from app.errors import ImageUndecodable, InvalidValue, LayerNotFound, NotSupported, UnitNotFound
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
    data = path.read_bytes()
    with Pillow.open(path) as opened:
        sources = (path, str(path), data, bytearray(data), memoryview(data), picture, opened)
        runs = [small.run(source) for source in sources]
    for run in runs[1:]:
        assert run.predictions == runs[0].predictions
        for name, activation in runs[0].activations.items():
            assert np.array_equal(run[name], activation)


@pytest.mark.parametrize("mode", ["P", "YCbCr", "LA", "CMYK", "1"])
def test_a_picture_of_pillows_is_read_as_its_file_would_be(
    small: Network, picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], mode: str, tmp_path: Path
) -> None:
    other = Pillow.fromarray(picture).convert(mode)
    np.testing.assert_array_equal(as_image(other).pixels, np.asarray(other.convert("RGB")))
    exif = Pillow.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    path = tmp_path / "turned.jpg"
    Pillow.fromarray(picture).save(path, exif=exif)
    with Pillow.open(path) as turned:
        np.testing.assert_array_equal(as_image(turned).pixels, as_image(path).pixels)
        assert small.predict(turned) == small.predict(path) == small.predict(str(path))


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
    assert list(run) == [layer.name for layer in small.graph.layers]
    assert conv.name in run and "nothing" not in run
    assert run.explain(conv.name, *np.array([1, 2, 3])).value == explanation.value
    for unit in (("1", 2, 3), (1.0, 2, 3)):
        with pytest.raises(UnitNotFound, match="whole numbers"):
            run.explain(conv.name, *unit)


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
    with pytest.raises(InvalidValue, match="no pixels: 0 x 5"):
        as_image(Pillow.new("RGB", (0, 5)))
    path = tmp_path / "cut.png"
    Pillow.new("RGB", (64, 64), "red").save(path)
    path.write_bytes(path.read_bytes()[:90])
    with Pillow.open(path) as cut, pytest.raises(ImageUndecodable, match="truncated or damaged"):
        as_image(cut)
    with pytest.raises(InvalidValue, match=r"\(0, 28, 3\)"):
        as_image(np.zeros((0, 28, 3), np.uint8))
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
    with pytest.raises(InvalidValue, match="no precision 'int4'"):
        open_network(first.id, precision="int4")
    with pytest.raises(InvalidValue, match=f"Say which network: one of {first.id}"):
        open_network()
    monkeypatch.setenv("CONVSCOPE_THREADS", "many")
    with pytest.raises(InvalidValue, match="CONVSCOPE_THREADS is 'many'"):
        open_network(first.id)


def test_open_network_of_a_file_of_ones_own(
    picture: np.ndarray[tuple[int, ...], np.dtype[np.uint8]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONVSCOPE_CACHE_DIR", str(tmp_path))
    path = save(classifier(size=16), tmp_path / "mine.onnx")
    network = open_network(onnx=path)
    assert network.id == "mine" and network.run(picture).predictions
