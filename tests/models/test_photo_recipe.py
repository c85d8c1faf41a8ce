"""The photo recipe: it learns, and a run that was interrupted ends as one that was not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from torch import Tensor, nn

from models.architectures.network import Network
from models.imagenette import central_view, random_view, recolour
from models.photo_recipe import Recipe, Stage, rate, renormalise, top1, train
from models.photo_recipes import RECIPES


class Tiny(Network):
    """One convolution, normalised, and a mean over the picture: enough to tell colours apart."""

    input_shape = (3, 32, 32)

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.drop = nn.Dropout(0.1)
        self.full = nn.Linear(8, 3)

    def logits(self, x: Tensor) -> Tensor:
        """(N, 3, H, W) to (N, 3)."""
        scores: Tensor = self.full(self.drop(torch.relu(self.norm(self.conv(x))).mean(dim=(2, 3))))
        return scores


def coloured(
    count: int, seed: int
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.uint8]], np.ndarray[tuple[int, ...], np.dtype[np.int64]]]:
    """Noise pictures (N, 32, 32, 3) that are brighter in the channel of their class."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, size=count)
    pictures = rng.integers(0, 120, size=(count, 32, 32, 3))
    pictures[np.arange(count), :, :, labels] += 100
    return pictures.astype(np.uint8), labels


RECIPE = Recipe(stages=(Stage(16, 2), Stage(24, 2)), batch=16, peak_rate=0.1, mixup=0.2)


def teacher(folder: Path) -> Network:
    """Sure of the channel that is brightest, which is the class."""
    network = Tiny()
    with torch.no_grad():
        network.conv.weight.zero_()
        network.norm.bias.zero_()
        for channel in range(3):
            network.conv.weight[channel, channel] = 1.0
        network.full.weight.copy_(8 * torch.eye(3, 8))
    return network.eval().requires_grad_(False)


def run(checkpoint: Path, epochs: int | None = None) -> tuple[Network, list[float]]:
    torch.manual_seed(0)
    network = Tiny()
    if epochs is not None:  # stopped after so many epochs, as if the machine had been taken away

        class Stopped(Exception):
            """The end of the machine's time."""

        original, calls = torch.save, 0

        def save(state: object, path: Path) -> None:
            nonlocal calls
            calls += 1
            if calls > epochs:
                path.write_bytes(b"half of a checkpoint")
                raise Stopped
            original(state, path)

        with pytest.MonkeyPatch.context() as patch, pytest.raises(Stopped):
            patch.setattr(torch, "save", save)
            train(network, RECIPE, coloured(96, 1), coloured(48, 2), checkpoint)
        torch.manual_seed(1)
        network = Tiny()
    averaged, progress = train(network, RECIPE, coloured(96, 1), coloured(48, 2), checkpoint)
    return averaged, progress.losses


def test_it_learns(tmp_path: Path) -> None:
    averaged, losses = run(tmp_path / "tiny.pt")
    assert losses[-1] < losses[0]
    assert top1(averaged, coloured(48, 2)) > 0.9


def test_it_learns_from_a_teacher_what_labels_do_not_say(tmp_path: Path) -> None:
    photos, labels = coloured(96, 1)
    recipe = replace(RECIPE, mixup=0.4, teachers=(teacher,), taught=1.0)
    torch.manual_seed(0)
    misled = photos, np.roll(labels, 1)
    averaged, _ = train(Tiny(), recipe, misled, coloured(48, 2), tmp_path / "taught.pt")
    assert top1(averaged, coloured(48, 2)) > 0.9


def test_an_interrupted_run_ends_as_one_that_was_not(tmp_path: Path) -> None:
    whole, losses = run(tmp_path / "whole.pt")
    resumed, resumed_losses = run(tmp_path / "interrupted.pt", epochs=2)
    assert resumed_losses == pytest.approx(losses, rel=1e-6)
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[name], value)


def test_a_checkpoint_of_another_recipe_is_refused(tmp_path: Path) -> None:
    run(tmp_path / "tiny.pt")
    other = replace(RECIPE, peak_rate=0.2, teachers=(teacher,))
    with pytest.raises(ValueError, match=r"another recipe.*peak_rate=0\.1.*peak_rate=0\.2.*\(teacher\)"):
        train(Tiny(), other, coloured(96, 1), coloured(48, 2), tmp_path / "tiny.pt")
    every = [
        one for recipe in RECIPES.values() for one in (recipe, recipe.further, *recipe.before) if one is not None
    ]
    assert all("0x" not in one.told() for one in every), "no address of a function, which differs in every process"


def test_the_rate_rises_and_falls() -> None:
    rates = [rate(RECIPE, done) for done in np.linspace(0, 1, 101)]
    peak = int(np.argmax(rates))
    assert rates[peak] == pytest.approx(RECIPE.peak_rate)
    assert rates == sorted(rates[:peak]) + sorted(rates[peak:], reverse=True)
    assert rates[-1] == pytest.approx(0, abs=1e-9)


def test_a_view_is_a_part_of_the_picture() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[..., 0] = np.linspace(0, 255, 60, dtype=np.uint8)
    rng = np.random.default_rng(0)
    mirrored = 0
    for _ in range(50):
        view = random_view(picture, 20, rng, (0.35, 1))
        assert view.shape == (20, 20, 3)
        steps = np.diff(view[10, :, 0].astype(int))
        assert (steps >= 0).all() or (steps <= 0).all()
        mirrored += bool(steps.sum() < 0)
    assert 10 < mirrored < 40


def test_recolouring_is_brightness_contrast_and_saturation_as_pillow_does_them() -> None:
    views = np.random.default_rng(1).integers(60, 180, (4, 12, 16, 3)).astype(np.uint8)  # far from black and white
    recoloured = recolour(views, 0.2, np.random.default_rng(2))
    factors = np.random.default_rng(2).uniform(0.8, 1.2, (3, 4))
    for view, found, (brightness, contrast, saturation) in zip(views, recoloured, factors.T, strict=True):
        picture = ImageEnhance.Color(Image.fromarray(view)).enhance(saturation)
        picture = ImageEnhance.Brightness(ImageEnhance.Contrast(picture).enhance(contrast)).enhance(brightness)
        assert np.abs(np.asarray(picture).astype(int) - found).max() <= 3  # Pillow rounds after each of the three
    assert len({round(float(view.mean() - old.mean())) for view, old in zip(recoloured, views, strict=True)}) > 1
    np.testing.assert_array_equal(recolour(views, 0, np.random.default_rng(2)), views)


def test_recolouring_stays_between_black_and_white() -> None:
    views = np.stack([np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)])
    for seed in range(20):
        black, white = recolour(views, 0.9, np.random.default_rng(seed))
        assert (black == 0).all() and len(np.unique(white)) == 1


def test_renormalising_takes_the_statistics_of_photos_at_the_networks_own_size() -> None:
    torch.manual_seed(0)
    network, (photos, _) = Tiny(), coloured(96, 3)
    network.norm.running_mean = torch.full((8,), 7.0)
    renormalise(network, photos)
    assert not network.norm.training
    with torch.inference_mode():
        maps = network.conv(central_view(photos, 32, torch.device("cpu")))  # (N, 8, 30, 30)
    assert network.norm.running_mean is not None and network.norm.running_var is not None
    torch.testing.assert_close(network.norm.running_mean, maps.mean(dim=(0, 2, 3)), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(network.norm.running_var, maps.var(dim=(0, 2, 3)), rtol=0.05, atol=1e-3)
