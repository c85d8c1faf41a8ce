"""How LeNet-5 learns MNIST so that it also reads digits drawn with a mouse.

Criterion: cross-entropy of softmax(-y/16), y the squared distances to the output codes. It is the discriminative
(MAP) criterion of LeCun et al. 1998, equation 9, without the constant for a rubbish class, whose part the 16 plays:
two codes are 76 or more apart, so that the undivided softmax is a step, drives F6 into saturation and learns poorly
(with equal steps 91 % against 95 % of held-out digits). Adam and one learning-rate cycle (Smith and Topin 2018)
instead of the paper's stochastic diagonal Levenberg-Marquardt. Each batch is distorted: rotated, sheared, scaled,
shifted, strokes made thinner or thicker (section III.C of the paper distorts by affine maps).
Pictures come through the service's own preprocessing. 5,000 of the 60,000 digits are held out: they tell how it goes,
and the last epoch is what is kept, so nothing is chosen by the test digits.

A run is deterministic by its seed: epoch e draws from a generator seeded by (seed, e), so an interrupted run goes on
as if it had not been.
"""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from models.architectures.network import Network
from models.layers import DistancePosterior


@dataclass(frozen=True)
class DigitRecipe:
    """The settings of one training run."""

    epochs: int = 14
    batch: int = 128
    peak_rate: float = 4e-3
    temperature: float = DistancePosterior.temperature  # divides the distances in the criterion
    held_out: int = 5000
    degrees: float = 10.0  # rotation, either way
    shear: float = 0.15
    scale: float = 0.12  # each axis between 1 - scale and 1 + scale
    shift: float = 1.0  # pixels, either way
    thickness: float = 0.4  # share of the digits whose strokes are changed
    seed: int = 1998


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to, on the held-out digits where it says so."""

    number: int
    loss: float
    held_out_loss: float
    held_out_accuracy: float


def distort(x: Tensor, recipe: DigitRecipe, background: float, generator: torch.Generator) -> Tensor:
    """A random affine map and a random stroke thickness for each picture, (N, 1, H, W) to the same shape."""
    count, _, height, width = x.shape

    def uniform(limit: float) -> Tensor:
        return (torch.rand(count, generator=generator) * 2 - 1) * limit

    ink = x - background  # 0 is paper, so that what comes in from outside is paper
    angle = uniform(recipe.degrees) * torch.pi / 180
    shear = uniform(recipe.shear)
    wide, high = 1 + uniform(recipe.scale), 1 + uniform(recipe.scale)
    cosine, sine = torch.cos(angle), torch.sin(angle)
    theta = torch.stack(
        [
            torch.stack([cosine * wide, (shear - sine) * high, uniform(2 * recipe.shift / width)], dim=1),
            torch.stack([sine * wide, cosine * high, uniform(2 * recipe.shift / height)], dim=1),
        ],
        dim=1,
    )  # (N, 2, 3), output coordinates to input coordinates in [-1, 1]
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    ink = F.grid_sample(ink, grid, align_corners=False)
    thicker = F.max_pool2d(ink, 3, stride=1, padding=1)
    thinner = -F.max_pool2d(-ink, 3, stride=1, padding=1)
    # Between -1 (a pixel off each side of the stroke) and 1 (a pixel on each side).
    change = uniform(1.0) * (torch.rand(count, generator=generator) < recipe.thickness)
    amount = change[:, None, None, None]
    ink = ink + amount.clamp(min=0) * (thicker - ink) + 0.6 * (-amount).clamp(min=0) * (thinner - ink)
    return ink + background


def measure(network: Network, recipe: DigitRecipe, pictures: Tensor, labels: Tensor) -> tuple[float, float]:
    """Mean cross-entropy and share of right answers on (N, 1, H, W) and (N,)."""
    network.eval()
    with torch.no_grad():
        logits = torch.cat([network.logits(part) for part in torch.split(pictures, 1000)])
    loss = F.cross_entropy(logits / recipe.temperature, labels).item()
    return loss, (logits.argmax(dim=1) == labels).double().mean().item()


def train(
    network: Network,
    recipe: DigitRecipe,
    pictures: Tensor,
    labels: Tensor,
    background: float,
    checkpoint: Path,
) -> list[Epoch]:
    """Train `network` in place, resuming from `checkpoint` if it is there.

    Args:
        network: changed in place.
        recipe: the settings.
        pictures: float32 (N, 1, H, W), preprocessed.
        labels: int64 (N,).
        background: the value of paper in `pictures`.
        checkpoint: file written after every epoch, atomically.

    Raises:
        ValueError: the checkpoint is of another recipe.
    """
    shuffled = torch.randperm(len(pictures), generator=torch.Generator().manual_seed(recipe.seed))
    held_out, kept = shuffled[: recipe.held_out], shuffled[recipe.held_out :]
    steps = len(kept) // recipe.batch
    descent = torch.optim.Adam(network.parameters())
    cycle = torch.optim.lr_scheduler.OneCycleLR(descent, recipe.peak_rate, total_steps=recipe.epochs * steps)
    epochs: list[Epoch] = []
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        if (other := state.get("recipe", "which it does not tell")) != asdict(recipe):
            raise ValueError(
                f"{checkpoint} is of another recipe, {other}, where this one is {asdict(recipe)}. Remove the file to "
                "begin anew, or go on with the recipe that it is of."
            )
        network.load_state_dict(state["network"])
        descent.load_state_dict(state["descent"])
        cycle.load_state_dict(state["cycle"])
        epochs = [Epoch(**epoch) for epoch in state["epochs"]]
    with tqdm(total=recipe.epochs * steps, initial=len(epochs) * steps, unit="batch") as bar:
        for number in range(len(epochs) + 1, recipe.epochs + 1):
            generator = torch.Generator().manual_seed(recipe.seed * 1000 + number)
            order = kept[torch.randperm(len(kept), generator=generator)][: steps * recipe.batch]
            network.train()
            total = 0.0
            for chosen in torch.split(order, recipe.batch):
                logits = network.logits(distort(pictures[chosen], recipe, background, generator))
                loss = F.cross_entropy(logits / recipe.temperature, labels[chosen])
                descent.zero_grad(set_to_none=True)
                torch.autograd.backward(loss)
                descent.step()
                cycle.step()
                total += loss.item()
                bar.update()
            epochs.append(
                Epoch(number, total / steps, *measure(network, recipe, pictures[held_out], labels[held_out]))
            )
            tqdm.write(str(epochs[-1]))
            save(checkpoint, recipe, network, descent, cycle, epochs)
    return epochs


def save(
    path: Path,
    recipe: DigitRecipe,
    network: Network,
    descent: torch.optim.Adam,
    cycle: torch.optim.lr_scheduler.OneCycleLR,
    epochs: list[Epoch],
) -> None:
    """Write the whole state of a run beside `path`, then rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    state = {
        "recipe": asdict(recipe),
        "network": network.state_dict(),
        "descent": descent.state_dict(),
        "cycle": cycle.state_dict(),
        "epochs": [asdict(epoch) for epoch in epochs],
    }
    torch.save(state, part)
    part.replace(path)
