"""The targets of a training step, against torch's own cross-entropy and against teachers asked one by one."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from models.architectures.network import Network
from models.targets import label_targets, taught_targets

CLASSES = torch.tensor([2, 0, 1, 2])


class Linear(Network):
    """A full layer: enough to answer."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.full = nn.Linear(4, 3)

    def logits(self, x: Tensor) -> Tensor:
        """(N, 4) to (N, 3)."""
        scores: Tensor = self.full(x)
        return scores


@given(smoothing=st.floats(0, 0.5), share=st.floats(0, 1))
def test_the_loss_is_torchs_own_mixed_by_share(smoothing: float, share: float) -> None:
    scores = torch.randn(4, 3, generator=torch.Generator().manual_seed(5))
    targets = label_targets(CLASSES, 3, smoothing, share)
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(4))
    own = F.cross_entropy(scores, CLASSES, label_smoothing=smoothing)
    other = F.cross_entropy(scores, CLASSES.flip(0), label_smoothing=smoothing)
    torch.testing.assert_close(F.cross_entropy(scores, targets), share * own + (1 - share) * other)


def test_teachers_answer_each_picture_and_count_by_their_share() -> None:
    inputs = torch.randn(4, 4, generator=torch.Generator().manual_seed(6))
    labels = label_targets(CLASSES, 3, 0.1, 1.0)
    first, second = Linear(1), Linear(2)
    targets = taught_targets(labels, [first, second], inputs, 0.7)
    answers = (first.logits(inputs).softmax(dim=1) + second.logits(inputs).softmax(dim=1)) / 2
    torch.testing.assert_close(targets, 0.3 * labels + 0.7 * answers)
    assert not targets.requires_grad, "a teacher does not learn"
    assert taught_targets(labels, [], inputs, 0.7) is labels


@pytest.mark.parametrize("taught", [0.0, 1.0])
def test_the_share_goes_from_labels_alone_to_teachers_alone(taught: float) -> None:
    inputs, teacher = torch.ones(4, 4), Linear(3)
    labels = label_targets(CLASSES, 3, 0.0, 1.0)
    targets = taught_targets(labels, [teacher], inputs, taught)
    torch.testing.assert_close(targets, teacher.logits(inputs).softmax(dim=1).detach() if taught else labels)
