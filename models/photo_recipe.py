"""How the photo networks learn Imagenette from nothing, on two cores or on a GPU.

SGD with Nesterov momentum and one learning-rate cycle (Smith and Topin 2018, "Super-convergence"), label smoothing
0.1 (Szegedy et al. 2016, "Rethinking the inception architecture", section 7), progressive picture sizes (small ones
first, where a step costs least), random resized crops and mirroring, weight decay on kernels only, and an
exponential average of the weights, which is what is shipped. bf16 autocast and channels-last storage where the
processor has them. Batch normalisation stays in training and is folded at export.

A run is deterministic by its seed: every epoch draws from a generator seeded by (seed, epoch), so a run that was
interrupted goes on as if it had not been.
"""

import copy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from models.architectures.network import Network
from models.imagenette import normalise, random_view


@dataclass(frozen=True)
class Stage:
    """So many epochs at one picture size (height and width, in pixels)."""

    size: int
    epochs: int


@dataclass(frozen=True)
class Recipe:
    """The settings of one training run."""

    stages: tuple[Stage, ...]
    batch: int = 64
    peak_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    smallest_crop: float = 0.35
    average: float = 0.998  # of the weights, a step
    seed: int = 0

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)

    def size(self, epoch: int) -> int:
        """Picture size of an epoch (counted from 0)."""
        for stage in self.stages:
            if epoch < stage.epochs:
                return stage.size
            epoch -= stage.epochs
        return self.stages[-1].size


@dataclass
class Progress:
    """What a checkpoint holds, besides the weights: one entry an epoch."""

    losses: list[float]
    top1: list[float | None]  # on the validation photos, of the averaged weights; None where not measured


def rate(recipe: Recipe, done: float) -> float:
    """Learning rate after the fraction `done` (0 to 1) of all steps: a linear rise to 15 %, then a cosine to 0."""
    rise = 0.15
    if done < rise:
        return recipe.peak_rate * (0.04 + 0.96 * done / rise)
    return recipe.peak_rate * 0.5 * (1 + float(np.cos(np.pi * (done - rise) / (1 - rise))))


def optimiser(network: nn.Module, recipe: Recipe) -> torch.optim.SGD:
    """SGD with decay on kernels only: batch normalisation and biases are left free."""
    kernels = [parameter for parameter in network.parameters() if parameter.ndim > 1]
    vectors = [parameter for parameter in network.parameters() if parameter.ndim <= 1]
    return torch.optim.SGD(
        [{"params": kernels, "weight_decay": recipe.weight_decay}, {"params": vectors, "weight_decay": 0.0}],
        lr=recipe.peak_rate,
        momentum=recipe.momentum,
        nesterov=True,
    )


def train(
    network: Network,
    recipe: Recipe,
    photos: tuple[NDArray[np.uint8], NDArray[np.int64]],
    validation: tuple[NDArray[np.uint8], NDArray[np.int64]],
    checkpoint: Path,
) -> tuple[Network, Progress]:
    """Train, resuming from `checkpoint` if it is there; returns the averaged network and its progress.

    Args:
        network: changed in place.
        recipe: the settings.
        photos: uint8 (N, H, W, 3) and classes (N,).
        validation: likewise; only watched, nothing is chosen by it.
        checkpoint: file written after every epoch, atomically.
    """
    torch.manual_seed(recipe.seed)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this overload
    averaged = copy.deepcopy(network)
    descent = optimiser(network, recipe)
    progress, first = Progress([], []), 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        descent.load_state_dict(state["descent"])
        progress, first = Progress(state["losses"], state["top1"]), len(state["losses"])
    steps = len(photos[1]) // recipe.batch
    with ThreadPoolExecutor(1) as pool, tqdm(total=recipe.epochs * steps, initial=first * steps, unit="batch") as bar:
        for epoch in range(first, recipe.epochs):
            rng = np.random.default_rng((recipe.seed, epoch))
            order = rng.permutation(len(photos[1]))[: steps * recipe.batch].reshape(steps, recipe.batch)
            size, total = recipe.size(epoch), 0.0
            network.train()
            upcoming = pool.submit(_views, photos, order[0], size, rng, recipe.smallest_crop)
            for step in range(steps):
                inputs, classes = upcoming.result()
                if step + 1 < steps:  # the next batch is cut out while this one is learned
                    upcoming = pool.submit(_views, photos, order[step + 1], size, rng, recipe.smallest_crop)
                for group in descent.param_groups:
                    group["lr"] = rate(recipe, (epoch * steps + step) / (recipe.epochs * steps))
                total += _step(network, descent, inputs.to(device), classes.to(device), recipe)
                _follow(averaged, network, min(recipe.average, (1 + bar.n) / (10 + bar.n)))
                bar.update()
                bar.set_postfix(epoch=epoch + 1, size=size, loss=f"{total / (step + 1):.3f}")
            measure = epoch % 3 == 2 or epoch + 1 == recipe.epochs
            progress.losses.append(total / steps)
            progress.top1.append(top1(averaged, validation, max(size, 128)) if measure else None)
            tqdm.write(f"epoch {epoch + 1}: {size} px, loss {progress.losses[-1]:.3f}, top-1 {progress.top1[-1]}")
            _save(checkpoint, network, averaged, descent, progress)
    return averaged, progress


def top1(network: Network, photos: tuple[NDArray[np.uint8], NDArray[np.int64]], size: int) -> float:
    """Fraction of photos (N, H, W, 3) whose most probable class is right, at `size` pixels."""
    network.eval()
    device = next(network.parameters()).device
    right = 0
    with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16):
        for start in range(0, len(photos[1]), 128):
            inputs = normalise(photos[0][start : start + 128]).to(device)
            scores = network.logits(F.interpolate(inputs, size=(size, size), mode="bilinear", antialias=True))
            right += int((scores.argmax(1).cpu().numpy() == photos[1][start : start + 128]).sum())
    return right / len(photos[1])


def _step(network: Network, descent: torch.optim.SGD, inputs: Tensor, classes: Tensor, recipe: Recipe) -> float:
    """One step on (B, 3, H, W); returns the loss."""
    with torch.autocast(inputs.device.type, torch.bfloat16):
        scores = network.logits(inputs)
    loss = F.cross_entropy(scores.float(), classes, label_smoothing=recipe.label_smoothing)
    descent.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]  # untyped in torch
    descent.step()
    return loss.item()


@torch.no_grad()
def _follow(averaged: nn.Module, network: nn.Module, keep: float) -> None:
    """averaged = keep * averaged + (1 - keep) * network; counters of batches are copied."""
    for mean, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.dtype.is_floating_point:
            mean.lerp_(value, 1 - keep)
        else:
            mean.copy_(value)


def _views(
    photos: tuple[NDArray[np.uint8], NDArray[np.int64]],
    chosen: NDArray[np.int64],
    size: int,
    rng: np.random.Generator,
    smallest: float,
) -> tuple[Tensor, Tensor]:
    views = np.stack([random_view(photos[0][index], size, rng, smallest) for index in chosen])
    return normalise(views), torch.from_numpy(photos[1][chosen])


def _save(path: Path, network: Network, averaged: Network, descent: torch.optim.SGD, progress: Progress) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(
        {
            "network": network.state_dict(),
            "averaged": averaged.state_dict(),
            "descent": descent.state_dict(),
            "losses": progress.losses,
            "top1": progress.top1,
        },
        part,
    )
    part.replace(path)
