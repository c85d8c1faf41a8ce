"""The quick convolution is torch's, in its values and in its gradients."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from models.architectures import build
from models.winograd import QuickConv2d, quicken


@pytest.mark.parametrize("shape", [(2, 32, 8, 8), (3, 32, 7, 9), (1, 40, 3, 2), (2, 64, 5, 12)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_a_direct_convolution(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    quick = QuickConv2d(shape[1], 33, 3, padding=1, bias=bias)
    x = torch.randn(*shape, requires_grad=True)
    parameters = [x, *quick.parameters()]
    ours, theirs = quick(x), F.conv2d(x, quick.weight, quick.bias, padding=1)
    steps = [ours.grad_fn, *(one for one, _ in ours.grad_fn.next_functions)] if ours.grad_fn is not None else []
    assert any("Winograd" in str(step) for step in steps), "it did go the quick way"
    torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)
    slope = torch.randn_like(ours)
    for got, wanted in zip(
        torch.autograd.grad(ours, parameters, slope), torch.autograd.grad(theirs, parameters, slope), strict=True
    ):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=5e-4)


def test_a_quickened_network_has_the_same_parameters_and_computes_the_same() -> None:
    torch.manual_seed(1)
    network = build("resnet18", 10).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        before = network.logits(x)
        names = list(network.state_dict())
        quicken(network)
        assert list(network.state_dict()) == names
        assert not any(type(module) is nn.Conv2d for module in network.modules())
        torch.testing.assert_close(network.logits(x), before, rtol=1e-3, atol=1e-3)
