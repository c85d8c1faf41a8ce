"""The learning form: the published network comes back out of it, whatever it learned."""

import pytest
import torch
from torch import nn

from models.architectures import build
from models.normalised import BandResponseNorm, Normalised, learning_form, published_form


@pytest.mark.parametrize("channels", [3, 5, 64])
def test_the_quick_response_norm_is_torchs(channels: int) -> None:
    plain = nn.LocalResponseNorm(5, alpha=0.3, beta=0.75, k=2.0)
    x = torch.randn(2, channels, 4, 3, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(BandResponseNorm(plain)(x), plain(x))


@pytest.mark.parametrize("name", ["alexnet", "vgg11", "googlenet", "resnet18"])
def test_what_was_learned_is_in_the_published_form(name: str) -> None:
    torch.manual_seed(3)
    network = learning_form(build(name, 10), full=True)
    assert name == "resnet18" or any(isinstance(module, Normalised) for module in network.modules())
    network.train()
    for size in (network.input_shape[1], 128):  # statistics move; smaller pictures pass through full layers too
        for logits in network.training_logits(torch.randn(2, 3, size, size)):
            assert logits.shape == (2, 10)
    network.eval()
    plain = published_form(network, build(name, 10))
    assert not any(isinstance(module, Normalised) for module in plain.modules())
    x = torch.randn(1, *network.input_shape)
    with torch.no_grad():
        torch.testing.assert_close(plain(x), network(x), rtol=1e-3, atol=1e-5)
