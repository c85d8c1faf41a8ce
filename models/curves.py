"""The course of a training as a picture."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from models.digit_recipe import Epoch


def draw_curves(epochs: Sequence[Epoch], title: str, path: Path) -> None:
    """Losses on the left, errors on the held-out pictures (percent) on the right, over epochs; writes a PNG."""
    numbers = [epoch.number for epoch in epochs]
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    figure.suptitle(title)
    losses, errors = figure.subplots(1, 2)
    losses.plot(numbers, [epoch.loss for epoch in epochs], label="training, distorted")
    losses.plot(numbers, [epoch.held_out_loss for epoch in epochs], label="held out")
    losses.set(xlabel="epoch", ylabel="cross-entropy (nats)", yscale="log")
    losses.legend()
    errors.plot(numbers, [100 * (1 - epoch.held_out_accuracy) for epoch in epochs], color="C1")
    errors.set(xlabel="epoch", ylabel="error on held-out digits (%)", yscale="log")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.png")
    figure.savefig(part, dpi=120)
    part.replace(path)
