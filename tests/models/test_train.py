"""What a training run begins with: nothing, lessons, or what is shipped."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from models.architectures.network import Network
from models.architectures.vgg import VGG
from models.calibrate import main as calibrate
from models.grow import grow, shrink
from models.lessons import start
from models.photo_recipe import Recipe, Stage
from models.train import begin, main
from tests.models.noise import noise

LESSON = Recipe((Stage(32, 1),), batch=4, peak_rate=0.001, student=lambda classes: VGG("A", classes, 1 / 32))
X = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(5))


def numbers_of(network: VGG) -> dict[str, NDArray[np.float32]]:
    """As a shipped graph names them."""
    numbers: dict[str, NDArray[np.float32]] = {}
    for path, name in network.layer_names().items():
        module = network.get_submodule(path)
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert module.bias is not None
            numbers |= {
                f"{name}.weight": module.weight.detach().numpy(),
                f"{name}.bias": module.bias.detach().numpy(),
            }
    return numbers


def shipped() -> VGG:
    torch.manual_seed(3)
    student = start(VGG("A", 10, 1 / 32))
    assert isinstance(student, VGG)
    return grow(student, VGG("A", 10, 1 / 16))


def logits(network: Network) -> torch.Tensor:
    """Of the same input, in evaluation."""
    with torch.no_grad():
        return network.eval().logits(X)


def begun(recipe: Recipe, numbers: dict[str, NDArray[np.float32]] | None, folder: Path) -> tuple[torch.Tensor, int]:
    """The logits at the beginning, and how many epochs went before."""
    torch.manual_seed(0)
    network, earlier = begin(VGG("A", 10, 1 / 16), recipe, numbers, noise(), noise(), folder / "vgg.pt")
    learns = any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    assert learns or not recipe.epochs, "its learning form"
    if not learns:
        assert isinstance(network, VGG)
        again = shrink(network, VGG("A", 10, 1 / 32))
        for found, copy in zip(network.parameters(), grow(again, VGG("A", 10, 1 / 16)).parameters(), strict=True):
            assert torch.equal(found, copy), "copies are the same to the last bit, and will be in 8 bits"
    return logits(network), len(earlier.losses)


def test_shipped_weights_are_where_training_goes_on(tmp_path: Path) -> None:
    found, epochs = begun(Recipe(()), numbers_of(shipped()), tmp_path)
    torch.testing.assert_close(found, logits(shipped()), rtol=1e-3, atol=1e-3)
    assert epochs == 0 and not list(tmp_path.iterdir())


def test_a_further_lesson_is_taken_by_the_student_of_the_shipped_weights(tmp_path: Path) -> None:
    more = (Stage(32, 1),)  # of the network itself
    found, epochs = begun(Recipe(more, before=(LESSON, LESSON), further=LESSON), numbers_of(shipped()), tmp_path)
    assert epochs == 1 and [path.name for path in tmp_path.iterdir()] == ["vgg-further.pt"]
    torch.testing.assert_close(
        found, begun(Recipe((), further=LESSON), numbers_of(shipped()), tmp_path / "none")[0], rtol=1e-3, atol=1e-3
    )
    assert not torch.allclose(found, logits(shipped()), rtol=1e-3, atol=1e-3)


def test_without_shipped_weights_there_are_lessons_or_nothing(tmp_path: Path) -> None:
    _, epochs = begun(Recipe((), before=(LESSON, LESSON), further=LESSON), None, tmp_path)
    assert epochs == 2 and sorted(path.name for path in tmp_path.iterdir()) == ["vgg-1.pt", "vgg-2.pt"]
    assert begun(Recipe((Stage(32, 1),)), None, tmp_path)[1] == 0


def test_when_a_network_is_shipped_the_checkpoints_of_its_training_go_and_no_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["lenet5.pt", "lenet5-0.pt", "lenet5-further.pt", "lenet5-best-of-march.pt", "vgg16.pt", "vgg16-0.pt"]
    for name in names:
        (tmp_path / name).touch()
    monkeypatch.setattr("models.train.train_lenet5", lambda *_: None)
    monkeypatch.setattr("sys.argv", ["train", "lenet5", "--checkpoints", str(tmp_path)])
    main()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names[3:])


def test_no_ranges_come_out_of_no_images(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["calibrate", "lenet5", "--images", "0"])
    with pytest.raises(SystemExit, match="2"):
        calibrate()
    assert "without an image there is no range" in capsys.readouterr().err
