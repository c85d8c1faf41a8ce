"""The course of a training as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

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
    save(figure, path)


def draw_progress(losses: Sequence[float], top1: Sequence[float | None], title: str, path: Path) -> None:
    """Training loss on the left, top-1 on validation photos (percent) on the right, over epochs; writes a PNG."""
    figure = Figure(figsize=(9, 3.5), layout="constrained")
    figure.suptitle(title)
    left, right = figure.subplots(1, 2)
    left.plot(range(1, len(losses) + 1), losses)
    left.set(xlabel="epoch", ylabel="training loss (nats)")
    measured = [(epoch, 100 * share) for epoch, share in enumerate(top1, start=1) if share is not None]
    right.plot(*zip(*measured, strict=True), color="C1", marker="o")
    right.set(xlabel="epoch", ylabel="top-1, averaged weights (%)")
    save(figure, path)


def draw_confusion(counts: NDArray[np.int64], labels: Sequence[str], title: str, path: Path) -> None:
    """A confusion matrix (true class down, answer across), counts (N, N) in the cells; writes a PNG."""
    figure = Figure(figsize=(7.5, 6.5), layout="constrained")
    axes = figure.subplots()
    shares = counts / counts.sum(axis=1, keepdims=True)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        colour = "white" if shares[row, column] > 0.5 else "black"
        axes.text(column, row, str(counts[row, column]), ha="center", va="center", fontsize=8, color=colour)
    axes.set_xticks(range(len(labels)), labels, rotation=45, ha="right")
    axes.set_yticks(range(len(labels)), labels)
    axes.set(xlabel="answer", ylabel="true class", title=title)
    save(figure, path)


def save(figure: Figure, path: Path) -> None:
    """Write the figure as a PNG, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part.png")
    figure.savefig(part, dpi=120)
    part.replace(path)
