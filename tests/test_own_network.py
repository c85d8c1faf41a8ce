"""A network nobody here wrote: the BVLC's GoogLeNet with its ImageNet weights, described by a manifest."""

import json
import re
from pathlib import Path

import pytest

from app.catalog import Catalog
from app.manifest import PhotoPreprocessing
from app.network import Network
from app.places import CHECKOUT
from tests.conftest import MakeSettings

DATA = CHECKOUT.parent / "shared" / "data"
MODEL = DATA / "onnx" / "googlenet-bvlc.onnx"

pytestmark = pytest.mark.skipif(not MODEL.exists(), reason=f"{MODEL} is not on this machine")


@pytest.fixture(scope="module")
def googlenet(tmp_path_factory: pytest.TempPathFactory, make_settings: MakeSettings) -> Network:
    """The network as served with the manifest of docs/manifest.md and the 1000 names of ImageNet's classes."""
    text = (CHECKOUT / "docs" / "manifest.md").read_text(encoding="utf-8")
    example = re.search(r"```json\n(.*?)```", text, re.DOTALL)
    assert example
    manifest = json.loads(example[1])
    names = json.loads((DATA / "imagenet" / "imagenet_class_index.json").read_text(encoding="utf-8"))
    manifest["weights"][0]["labels"] = [names[str(index)][1] for index in range(1000)]
    path = tmp_path_factory.mktemp("manifest") / "googlenet-bvlc.json"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    return Catalog.open(make_settings(onnx=MODEL, manifest=path)).network("googlenet-bvlc")


def test_the_manifest_of_the_docs_is_read_as_written(googlenet: Network) -> None:
    how = googlenet.weights.preprocessing
    assert isinstance(how, PhotoPreprocessing)
    assert (how.color, how.scale, how.mean, how.interpolation) == ("BGR", 1, (104, 117, 123), "bicubic")
    assert googlenet.graph.input_shape == (3, 224, 224)
    assert googlenet.graph.classes == 1000


def test_it_names_29_of_40_photos(googlenet: Network) -> None:
    photos = sorted((DATA / "photos").iterdir())
    assert len(photos) == 40
    right = [path.name for path in photos if googlenet.run(path).predictions[0].index == int(path.name[:3])]
    assert len(right) >= 29, right  # the data's own figure; resized with another filter it is 26


def test_its_units_explain_themselves(googlenet: Network) -> None:
    photo: Path = min((DATA / "photos").iterdir())
    run = googlenet.run(photo)
    for layer in googlenet.graph.layers[1:]:
        middle = tuple(size // 2 for size in layer.shape)
        explanation = run.explain(layer.name, *middle)
        assert explanation.value == run[layer.name][middle], layer.name
        assert explanation.sources, layer.name
