"""LeNet-5's recipe on a handful of made digits: it learns, it is deterministic, and it resumes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from app.manifest import DigitPreprocessing
from app.preprocess import to_tensor
from models.architectures import build
from models.architectures.network import Network
from models.digit_recipe import DigitRecipe, distort, train
from tests.models.strokes import draw

HOW = DigitPreprocessing()
RECIPE = DigitRecipe(epochs=3, batch=20, held_out=20)


@pytest.fixture(scope="module")
def digits() -> tuple[Tensor, Tensor]:
    """120 drawn digits (120, 1, 32, 32) and their labels."""
    inputs = [
        to_tensor(Image.fromarray(draw(number % 10, 100, slant=0.02 * (number // 10) - 0.1)), HOW, 1)
        for number in range(120)
    ]
    return torch.from_numpy(np.stack(inputs)), torch.arange(120) % 10


def trained(digits: tuple[Tensor, Tensor], checkpoint: Path) -> tuple[Network, list[float]]:
    torch.manual_seed(3)
    network = build("lenet5", 10)
    epochs = train(network, RECIPE, *digits, HOW.background, checkpoint)
    return network, [epoch.loss for epoch in epochs]


def test_it_learns_and_an_interrupted_run_goes_on_as_if_it_had_not_been(
    digits: tuple[Tensor, Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, losses = trained(digits, tmp_path / "whole.pt")
    assert len(losses) == 3 and losses[-1] < losses[0]

    saved = 0

    def interrupted_save(path: Path, *state: object) -> None:
        nonlocal saved
        real_save(path, *state)  # type: ignore[arg-type]  # handed through as they came
        saved += 1
        if saved == 2:
            raise KeyboardInterrupt

    from models import digit_recipe

    real_save = digit_recipe.save
    monkeypatch.setattr(digit_recipe, "save", interrupted_save)
    with pytest.raises(KeyboardInterrupt):
        trained(digits, tmp_path / "cut.pt")
    monkeypatch.undo()
    resumed, again = trained(digits, tmp_path / "cut.pt")
    assert again == pytest.approx(losses)
    for ours, theirs in zip(whole.parameters(), resumed.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.pt", "whole.pt"]
    with pytest.raises(ValueError, match="of another recipe"):
        train(build("lenet5", 10), replace(RECIPE, seed=7), *digits, HOW.background, tmp_path / "cut.pt")


def test_distortion_keeps_range_and_paper(digits: tuple[Tensor, Tensor]) -> None:
    x = digits[0]
    y = distort(x, RECIPE, HOW.background, torch.Generator().manual_seed(1))
    assert y.shape == x.shape
    assert y.min() >= HOW.background - 1e-5 and y.max() <= HOW.foreground + 1e-5
    assert torch.allclose(y[:, :, 0, 0], torch.full((120, 1), HOW.background))
    assert not torch.allclose(y, x, atol=0.1)
    assert torch.equal(y, distort(x, RECIPE, HOW.background, torch.Generator().manual_seed(1)))
