"""What a network should answer in a training step: probabilities (N, classes), by labels and by teachers.

The cross-entropy is linear in them, so that labels, smoothing, mixing and teachers make one target.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from models.architectures.network import Network


def label_targets(classes: Tensor, count: int, smoothing: float, share: float) -> Tensor:
    """Targets by the labels alone.

    Args:
        classes: of each picture, (N,).
        count: how many classes there are.
        smoothing: this much is spread evenly over all classes (Szegedy et al. 2016, "Rethinking the inception
            architecture", section 7).
        share: of the picture itself, where the rest is that of the picture opposite in the batch (Zhang et al. 2017,
            "mixup: Beyond empirical risk minimization", equation 1); 1 where nothing is mixed.

    Returns:
        (N, count), rows sum to 1.
    """
    own = F.one_hot(classes, count).float() * (1 - smoothing) + smoothing / count
    return share * own + (1 - share) * own.flip(0)


@torch.no_grad()
def taught_targets(targets: Tensor, teachers: Sequence[Network], inputs: Tensor, taught: float) -> Tensor:
    """Targets that come in part from what teachers see in the very pictures that are learned from.

    Hinton et al. 2015, "Distilling the knowledge in a neural network", section 2, at temperature 1. A crop that shows
    little of its thing is answered less surely than one with all of it, which a label does not tell; so teachers look
    at each view anew, mixed pictures included (Beyer et al. 2022, "Knowledge distillation: A good teacher is patient
    and consistent", section 3.1).

    Args:
        targets: by the labels, (N, classes).
        teachers: in evaluation, as many as there are; the mean of their probabilities counts.
        inputs: (N, C, H, W).
        taught: the teachers' share of the target.
    """
    if not teachers:
        return targets
    answers = torch.stack([teacher.logits(inputs).float().softmax(dim=1) for teacher in teachers]).mean(dim=0)
    return (1 - taught) * targets + taught * answers
