"""Training's end and its next beginning: shipped in 8 bits, loaded again, the network is the one that was learned."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from app.int8 import Int8Network
from app.manifest import Packed, Seeded, read_manifest
from models.accuracy import TESTS, accuracy_of, answer, check_packed, open_weights
from models.architectures import build
from models.architectures.network import Network
from models.architectures.resnet import ResNet
from models.architectures.vgg import VGG
from models.bundle import BUNDLED, ship_packed, untrained_weights, write_bundle, write_graph
from models.calibrate import evenly
from models.describe import DESCRIPTIONS
from models.export import export
from models.imagenette import CLASSES
from models.normalised import Normalised, learning_form, published_form
from models.readme import BEGIN, END, table, write_table
from models.shipped import learning_on, load_numbers, rescale, shipped_numbers


def test_what_is_shipped_is_the_next_warm_start(tmp_path: Path) -> None:
    torch.manual_seed(11)
    learned = learning_form(build("googlenet", 10))
    published = published_form(learned, build("googlenet", 10))
    manifest = ship_packed("googlenet", published, tmp_path)
    weights = manifest.get_weights(manifest.default_weights)
    assert weights.trained and weights.accuracy is None and isinstance(weights.origin, Packed)
    assert "untrained" not in weights.title

    numbers = shipped_numbers(tmp_path, tmp_path / "cache")
    assert numbers is not None
    warm = build("googlenet", 10)
    load_numbers(warm, numbers)
    x = torch.randn(4, 3, 224, 224)
    with torch.no_grad():
        exact, packed = published.logits(x), warm.eval().logits(x)
        assert (exact - packed).abs().max() < 0.05 * exact.std()  # 8 bits a weight
        warm = learning_on(warm, full=False, inputs=x)
        torch.testing.assert_close(warm.eval().logits(x), packed, rtol=1e-3, atol=1e-3)


def test_what_learns_on_computes_what_is_shipped_by_the_batch_too(cache_dir: Path) -> None:
    numbers = shipped_numbers(BUNDLED / "googlenet", cache_dir)
    assert numbers is not None
    network = build("googlenet", 10)
    load_numbers(network, numbers)
    x = torch.randn(4, 3, 224, 224, generator=torch.Generator().manual_seed(4))
    with torch.no_grad():
        shipped = network.eval().logits(x)
        network = learning_on(network, full=False, inputs=x)
        for module in network.modules():
            if isinstance(module, nn.Dropout):
                module.p = 0
        assert shipped.std(dim=0).max() > 0.01, "inputs are told apart"
        for training in (False, True):
            network.train(training)
            torch.testing.assert_close(network.logits(x), shipped, rtol=1e-4, atol=1e-4)
    first = next(module for module in network.modules() if isinstance(module, Normalised))
    torch.testing.assert_close((first.layer.weight**2).flatten(1).sum(dim=1), torch.full((64,), 2.0))


KERNELS: dict[str, tuple[Callable[[], Network], bool]] = {  # how it is built; whether full layers are normalised too
    "its own normalisation": (lambda: ResNet(18, classes=10), False),
    "torchvision's form": (lambda: build("googlenet_torchvision", 10), False),
    "published without": (lambda: VGG("A", 10, 1 / 32), True),
}


@pytest.mark.parametrize("form", KERNELS)
def test_kernels_are_as_long_as_they_began_and_outputs_stay(form: str) -> None:
    torch.manual_seed(4)
    make, full = KERNELS[form]
    network = learning_form(make(), full).eval()
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    kernels = [module.weight for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    with torch.no_grad():
        for norm in norms:
            norm.weight.uniform_(0.1, 2)
            norm.bias.uniform_(-0.1, 0.1)
            assert norm.running_mean is not None
            norm.running_mean.uniform_(-0.1, 0.1)
        kernels[0][0] = 0  # a filter that pruning left nothing of
        x = torch.randn(2, 3, 64, 64)
        before = network.logits(x)
        rescale(network)
        after = network.logits(x)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-4 * float(before.abs().max()))
    assert not kernels[0][0].any()
    squares = [(kernel**2).flatten(1).sum(dim=1) for kernel in kernels]  # (out,) each
    squares[0] = squares[0][1:]
    long = [torch.allclose(square, torch.tensor(2.0), rtol=1e-4) for square in squares]
    assert sum(long) == len(norms) < len(kernels), "the classifier is followed by no normalisation"


def test_untrained_weights_are_no_warm_start(tmp_path: Path) -> None:
    manifest = write_bundle("lenet5", untrained_weights, tmp_path)
    weights = manifest.get_weights(manifest.default_weights)
    assert not weights.trained and isinstance(weights.origin, Seeded)
    assert shipped_numbers(tmp_path, tmp_path / "cache") is None


def test_the_float32_graph_that_is_measured_is_the_one_that_was_packed(tmp_path: Path) -> None:
    torch.manual_seed(12)
    learned = build("lenet5", 10)
    manifest = ship_packed("lenet5", learned, tmp_path)
    weights = manifest.get_weights(manifest.default_weights)
    numbers = open_weights(manifest, weights, tmp_path / weights.graph, tmp_path / "cache").initializers
    write_graph(export(learned, "lenet5").model, tmp_path / "whole.onnx")
    check_packed(numbers, tmp_path / "whole.onnx")
    with torch.no_grad():
        next(learned.parameters())[0] *= 1.5
    write_graph(export(learned, "lenet5").model, tmp_path / "other.onnx")
    with pytest.raises(ValueError, match=r"other\.onnx is not what was packed"):
        check_packed(numbers, tmp_path / "other.onnx")


def test_labels_stand_in_the_order_that_training_counts_them_in() -> None:
    photos = [description for description in DESCRIPTIONS.values() if description.title != "LeNet-5"]
    assert photos and all(one.labels == tuple(CLASSES.values()) for one in photos)


@pytest.mark.parametrize(("available", "count"), [(9469, 300), (9469, 500), (9469, 5000), (60_000, 300), (7, 300)])
def test_calibration_looks_at_images_of_every_class(available: int, count: int) -> None:
    indices = evenly(available, count)
    steps = np.diff(indices)
    assert len(indices) == min(available, count) and indices[0] == 0 and indices[-1] == available - 1
    assert steps.min() >= 1 and steps.max() - steps.min() <= 1


@pytest.mark.timeout(1200)  # minutes of VGG-16, and twice that where the machine does something else, too
@pytest.mark.parametrize("name", sorted(TESTS))
def test_a_fixed_part_of_the_test_set_agrees_with_the_stated_figure(name: str, cache_dir: Path) -> None:
    manifest = read_manifest(BUNDLED / name / "manifest.json")
    weights = manifest.get_weights(manifest.default_weights)
    if not weights.trained:
        assert weights.accuracy is None, "only a trained network has a figure"
        return
    assert weights.accuracy is not None, f"run python -m models.accuracy {name}"
    try:
        examples = list(TESTS[name].read(None, 10 if name == "lenet5" else 30))
    except FileNotFoundError as error:
        pytest.skip(str(error))
    network = open_weights(manifest, weights, BUNDLED / name / weights.graph, cache_dir, threads=1)
    labels = np.array([label for _, label in examples])
    answers, certainties = answer(network, examples)
    part = accuracy_of(labels, answers, weights.accuracy.dataset)
    stated = weights.accuracy.top1
    deviation = np.sqrt(stated * (1 - stated) / part.images)
    assert abs(part.top1 - stated) < 4 * deviation
    assert weights.unfamiliar_below is not None
    assert float((certainties < weights.unfamiliar_below).mean()) < 0.05, "most digits and photos are familiar"
    assert (weights.accuracy_int8 is not None) == bool(weights.ranges)
    if weights.accuracy_int8 is not None:
        answers, _ = answer(Int8Network(network), examples)
        assert abs(accuracy_of(labels, answers, "").top1 - weights.accuracy_int8.top1) < 4 * deviation


def test_the_readmes_table_is_what_the_manifests_say(tmp_path: Path) -> None:
    folders = [BUNDLED / name for name in TESTS]
    text = (BUNDLED.parents[1] / "README.md").read_text(encoding="utf-8")
    assert f"{BEGIN}\n{table(folders)}\n{END}" in text
    copy = tmp_path / "README.md"
    copy.write_text("# nothing\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no place"):
        write_table(copy, folders)
