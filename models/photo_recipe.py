"""How the photo networks learn Imagenette from nothing, on two cores or on a GPU.

SGD with Nesterov momentum and one learning-rate cycle (Smith and Topin 2018, "Super-convergence"), label smoothing
0.1 (Szegedy et al. 2016, "Rethinking the inception architecture", section 7), progressive picture sizes (small ones
first, where a step costs least), random resized crops and mirroring, variation of brightness, contrast and saturation
(Howard 2013, "Some improvements on deep convolutional neural network based image classification", section 2.2), mixup
and teachers (models/targets.py), weight decay on kernels only, and an exponential average of the weights, which is
what is shipped. GoogLeNet's auxiliary classifiers add 0.3 of their losses (its paper, section 5). Weights are pruned
on the way (models/prune.py). Channels-last storage, and bf16 autocast where the processor multiplies in bf16. Batch
normalisation stays in training and is folded away before shipping.

A small picture is cut out of the photo, not shrunk from all of it: what matters to a network with global pooling is
that things have the size in training that they have when it is used at 224 pixels (Touvron et al. 2019, "Fixing the
train-test resolution discrepancy", section 3), so a stage gives its crops' share of the photo with its picture size.
What still differs at 224 pixels is how strongly maps answer; so at the end every normalisation may take its
statistics anew from photos as the service shows them (the same paper, section 4).

A run is deterministic by its seed: every epoch draws from generators seeded by (seed, epoch), so a run that was
interrupted goes on as if it had not been. A checkpoint of another recipe is refused.
"""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from types import FunctionType

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm import tqdm

from models.architectures.network import Network
from models.imagenette import central_view, normalise, random_view, recolour
from models.prune import Pruner, Pruning
from models.targets import label_targets, taught_targets

Samples = tuple[NDArray[np.uint8], NDArray[np.int64]]  # photos (N, H, W, 3) and their classes (N,)


@dataclass(frozen=True)
class Stage:
    """So many epochs at one picture size (height and width, in pixels), cut out of these shares of the photo."""

    size: int
    epochs: int
    areas: tuple[float, float] = (0.35, 1.0)
    share: float = 1.0  # of the photos, in each epoch


@dataclass(frozen=True)
class Recipe:
    """The settings of one training run."""

    stages: tuple[Stage, ...]
    batch: int = 64
    peak_rate: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    average: float = 0.998  # of the weights, a step
    colour: float = 0.0  # by what share at most brightness, contrast and saturation of a picture vary
    mixup: float = 0.0  # alpha of the beta distribution; 0 mixes nothing
    teachers: tuple[Callable[[Path], Network], ...] = ()  # by a folder to unpack in
    taught: float = 0.5  # the teachers' share of the targets, where there are any
    pruning: Pruning = field(default_factory=Pruning)
    dropout: float | None = None  # instead of the paper's, where there are few epochs
    normalise_full: bool = False  # batch normalisation after hidden full layers, too
    full_rate: float = 1.0  # the full layers' share of the learning rate
    renormalise: bool = True  # take statistics anew at the end, where most epochs saw small pictures
    seed: int = 0
    student: Callable[[int], Network] | None = None  # what learns, by the number of classes; None: the network itself
    before: tuple["Recipe", ...] = ()  # by which smaller students learn first, each growing into the next
    further: "Recipe | None" = None  # by which the student that the shipped weights grew from learns on

    @property
    def epochs(self) -> int:
        """Epochs of all stages."""
        return sum(stage.epochs for stage in self.stages)

    def told(self) -> str:
        """The settings of the run in words, without the lessons before; the same for the same recipe anywhere."""
        names = [field.name for field in fields(self) if field.name not in ("before", "further")]
        return ", ".join(f"{name}={_told(getattr(self, name))}" for name in names)

    def stage(self, epoch: int) -> Stage:
        """The stage of an epoch (counted from 0)."""
        for stage in self.stages:
            if epoch < stage.epochs:
                return stage
            epoch -= stage.epochs
        return self.stages[-1]


def _told(setting: object) -> str:
    """A setting in words; of a function its name and what is given to it, as its address differs in every process."""
    if isinstance(setting, tuple):
        return f"({', '.join(map(_told, setting))})"
    if isinstance(setting, partial):
        given = [*map(repr, setting.args), *(f"{name}={value!r}" for name, value in setting.keywords.items())]
        return f"{setting.func.__qualname__}({', '.join(given)})"
    return setting.__qualname__ if isinstance(setting, FunctionType) else repr(setting)


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
    """SGD with decay on kernels only: batch normalisation and biases are left free; full layers at their own rate."""
    full = {id(p) for module in network.modules() if isinstance(module, nn.Linear) for p in module.parameters()}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for parameter in network.parameters():
        share = recipe.full_rate if id(parameter) in full else 1.0
        decay = recipe.weight_decay if parameter.ndim > 1 else 0.0
        groups.setdefault((share, decay), []).append(parameter)
    return torch.optim.SGD(
        [
            {"params": parameters, "weight_decay": decay, "share": share}
            for (share, decay), parameters in groups.items()
        ],
        lr=recipe.peak_rate,
        momentum=recipe.momentum,
        nesterov=True,
    )


def train(
    network: Network,
    recipe: Recipe,
    photos: Samples,
    validation: Samples,
    checkpoint: Path,
) -> tuple[Network, Progress]:
    """Train, resuming from `checkpoint` if it is there; returns the averaged network and its progress.

    Args:
        network: changed in place.
        recipe: the settings.
        photos: uint8 (N, H, W, 3) and classes (N,).
        validation: likewise; only watched: no epoch and no weight is chosen by it.
        checkpoint: file written after every epoch, atomically.

    Raises:
        ValueError: the checkpoint is of another recipe.
    """
    if not recipe.epochs:
        return network.eval(), Progress([], [])
    for module in network.modules():
        if isinstance(module, nn.Dropout) and recipe.dropout is not None:
            module.p = recipe.dropout
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = network.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks this overload
    averaged = copy.deepcopy(network)
    descent = optimiser(network, recipe)
    progress, first = Progress([], []), 0
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        if (other := state.get("recipe", "which it does not tell")) != recipe.told():
            raise ValueError(
                f"{checkpoint} is of another recipe, {other}, where this one is {recipe.told()}. "
                "Remove the file to begin anew, or go on with the recipe that it is of."
            )
        network.load_state_dict(state["network"])
        averaged.load_state_dict(state["averaged"])
        descent.load_state_dict(state["descent"])
        progress, first = Progress(state["losses"], state["top1"]), len(state["losses"])
    steps = [int(recipe.stage(epoch).share * len(photos[1])) // recipe.batch for epoch in range(recipe.epochs)]
    pruner = Pruner(network, recipe.pruning)
    pruner.choose(first / recipe.epochs)
    teachers = [
        teacher(checkpoint.parent).to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # as above
        for teacher in recipe.teachers
    ]
    with ThreadPoolExecutor(1) as pool, tqdm(total=sum(steps), initial=sum(steps[:first]), unit="batch") as bar:
        for epoch in range(first, recipe.epochs):
            rng = np.random.default_rng((recipe.seed, epoch))  # of the thread that cuts views out
            mixing = np.random.default_rng((recipe.seed, epoch, 1))
            torch.manual_seed(recipe.seed + 1000 * epoch)  # dropout's
            done = sum(steps[:epoch])
            order = rng.permutation(len(photos[1]))[: steps[epoch] * recipe.batch].reshape(-1, recipe.batch)
            stage, total = recipe.stage(epoch), 0.0
            network.train()
            upcoming = pool.submit(_views, photos, order[0], stage, recipe.colour, rng)
            for step in range(steps[epoch]):
                inputs, classes = upcoming.result()
                if step + 1 < steps[epoch]:  # the next batch is cut out while this one is learned
                    upcoming = pool.submit(_views, photos, order[step + 1], stage, recipe.colour, rng)
                for group in descent.param_groups:
                    group["lr"] = group["share"] * rate(recipe, (epoch + step / steps[epoch]) / recipe.epochs)
                share = float(mixing.beta(recipe.mixup, recipe.mixup)) if recipe.mixup else 1.0
                total += _step(network, descent, inputs.to(device), classes.to(device), recipe, share, teachers)
                pruner.apply(network)
                _follow(averaged, network, min(recipe.average, (1 + done + step) / (10 + done + step)))
                bar.update()
                bar.set_postfix(epoch=epoch + 1, size=stage.size, loss=f"{total / (step + 1):.3f}")
            pruner.choose((epoch + 1) / recipe.epochs)
            pruner.apply(network)
            pruner.apply(averaged)
            measure = epoch % 3 == 2 or epoch + 1 == recipe.epochs
            progress.losses.append(total / steps[epoch])
            progress.top1.append(top1(averaged, validation) if measure else None)
            tqdm.write(
                f"epoch {epoch + 1}: {stage.size} px, loss {progress.losses[-1]:.3f}, top-1 {progress.top1[-1]}"
            )
            _save(checkpoint, recipe, network, averaged, descent, progress)
    return averaged, progress


def top1(network: Network, photos: Samples) -> float:
    """Fraction of photos (N, H, W, 3) whose most probable class is right; enlarged by 256/224, centre crop.

    As the service crops, with torch's resizing: the figure that counts is `python -m models.accuracy`'s.
    """
    network.eval()
    device = next(network.parameters()).device
    right = 0
    with torch.inference_mode(), precision(device):
        for start in range(0, len(photos[1]), 64):
            scores = network.logits(central_view(photos[0][start : start + 64], network.input_shape[1], device))
            right += int((scores.argmax(1).cpu().numpy() == photos[1][start : start + 64]).sum())
    return right / len(photos[1])


@torch.no_grad()
def renormalise(network: Network, photos: NDArray[np.uint8]) -> None:
    """Take the statistics of every batch normalisation anew, from `photos` (N, H, W, 3) at the network's own size.

    The mean over batches, as for averaged weights in Izmailov et al. 2018, "Averaging weights leads to wider optima",
    section 3.2. For GoogLeNet, learned at 64 to 128 pixels, it was worth 3.3 points on every eighth validation photo.
    Batches are drawn at random: in photos that come class by class, a batch varies less than all of them do.
    """
    order = np.random.default_rng(0).permutation(len(photos))
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)]
    device = next(network.parameters()).device
    network.eval()  # dropout stays off
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the plain mean of all batches
        norm.train()
    for start in range(0, len(photos) - 31, 32):  # in float32, as the network will compute
        batch = photos[order[start : start + 32]]
        network.training_logits(central_view(batch, network.input_shape[1], device))
    network.eval()


def precision(device: torch.device) -> torch.autocast:
    """bf16 autocast where the device multiplies in bf16; elsewhere emulating it would be slower than float32."""
    native = device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=native)


def _step(
    network: Network,
    descent: torch.optim.SGD,
    inputs: Tensor,
    classes: Tensor,
    recipe: Recipe,
    share: float,
    teachers: Sequence[Network],
) -> float:
    """One step on (B, 3, H, W), each picture mixed with `1 - share` of another; returns the loss."""
    inputs = inputs if share == 1 else share * inputs + (1 - share) * inputs.flip(0)
    with precision(inputs.device):
        scores = network.training_logits(inputs)
        targets = label_targets(classes, scores[0].shape[1], recipe.label_smoothing, share)
        targets = taught_targets(targets, teachers, inputs, recipe.taught)
    loss = F.cross_entropy(scores[0].float(), targets)
    for auxiliary in scores[1:]:
        loss = loss + 0.3 * F.cross_entropy(auxiliary.float(), targets)
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
    photos: Samples,
    chosen: NDArray[np.int64],
    stage: Stage,
    colour: float,
    rng: np.random.Generator,
) -> tuple[Tensor, Tensor]:
    views = np.stack([random_view(photos[0][index], stage.size, rng, stage.areas) for index in chosen])
    views = recolour(views, colour, rng) if colour else views
    return normalise(views), torch.from_numpy(photos[1][chosen])


def _save(
    path: Path,
    recipe: Recipe,
    network: Network,
    averaged: Network,
    descent: torch.optim.SGD,
    progress: Progress,
) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    torch.save(
        {
            "recipe": recipe.told(),
            "network": network.state_dict(),
            "averaged": averaged.state_dict(),
            "descent": descent.state_dict(),
            "losses": progress.losses,
            "top1": progress.top1,
        },
        part,
    )
    part.replace(path)
