"""A network that grows computes what it did."""

from pathlib import Path

import pytest
import torch
from torch import nn

from models.architectures.network import initialise
from models.architectures.vgg import VGG
from models.bundle import BUNDLED
from models.grow import grow, shrink
from models.photo_recipes import RECIPES
from models.shipped import load_numbers, shipped_numbers


def small(configuration: str, share: float) -> VGG:
    torch.manual_seed(0)
    network = VGG(configuration, 10, share)
    initialise(network)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.normal_(module.bias, std=0.1)
    return network.eval()


@pytest.mark.parametrize(("before", "after", "share"), [("A", "D", 1 / 16), ("A", "A", 1 / 8), ("A", "E", 1 / 8)])
def test_deeper_and_wider_networks_answer_as_before(before: str, after: str, share: float) -> None:
    network = small(before, share / 2)
    x = torch.randn(2, 3, 224, 224)
    for larger in (VGG(after, 10, share / 2), VGG(after, 10, share)):
        with torch.no_grad():
            torch.testing.assert_close(grow(network, larger).logits(x), network.logits(x), rtol=1e-3, atol=1e-3)


def test_copies_of_a_channel_pass_on_different_weights() -> None:
    grown = grow(small("A", 1 / 16), VGG("A", 10, 1 / 8))
    kernels = grown.get_submodule("features.3").weight  # conv2_1
    assert isinstance(kernels, torch.Tensor)
    zeros = (kernels.abs().sum(dim=(2, 3)) == 0).float().mean()
    assert zeros == 0.5  # each weight went to one of two copies
    assert len({tuple(row.tolist()) for row in kernels.flatten(1)}) == len(kernels)


def test_a_narrower_network_is_refused() -> None:
    with pytest.raises(ValueError, match="no multiple"):
        grow(small("A", 1 / 8), VGG("A", 10, 1 / 16))


@pytest.mark.parametrize("configuration", ["A", "D"])
def test_what_has_grown_can_be_had_back(configuration: str) -> None:
    network = small(configuration, 1 / 16)
    grown = grow(network, VGG(configuration, 10, 1 / 4))
    back = shrink(grown, VGG(configuration, 10, 1 / 16))
    for name, value in network.state_dict().items():
        torch.testing.assert_close(back.state_dict()[name], value, rtol=0, atol=0, msg=name)


def test_it_can_be_had_back_from_8_bits_too() -> None:
    grown = grow(small("A", 1 / 16), VGG("A", 10, 1 / 8))
    numbers = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in grown.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                rows = module.weight.flatten(1)
                step = rows.abs().max(dim=1, keepdim=True).values / 127
                away = torch.rand(rows.shape, generator=numbers) - 0.5  # copies are rounded apart
                rows.copy_(torch.where(rows == 0, 0, step * (rows / step + away).round().clamp(-127, 127)))
        back = shrink(grown, VGG("A", 10, 1 / 16))
        again = grow(back, VGG("A", 10, 1 / 8))
        for (name, packed), ours in zip(grown.named_parameters(), again.parameters(), strict=True):
            step = packed.flatten(1).abs().max(dim=1).values / 127 if packed.ndim > 1 else torch.zeros(len(packed))
            assert ((packed - ours).reshape(len(packed), -1).abs().max(dim=1).values <= step + 1e-5).all(), name
        grown.get_parameter("classifier.0.weight")[0] *= 1.05
        with pytest.raises(ValueError, match="has learned since it grew"):
            shrink(grown, VGG("A", 10, 1 / 16))


def test_the_student_of_the_shipped_vgg_can_be_had_back(cache_dir: Path) -> None:
    numbers = shipped_numbers(BUNDLED / "vgg16", cache_dir)
    further = RECIPES["vgg16"].further
    assert numbers is not None and further is not None and further.student is not None
    large = VGG("D", 10)
    load_numbers(large, numbers)
    student = further.student(10)
    assert isinstance(student, VGG)
    x = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(8))
    with torch.no_grad():
        shipped = large.eval().logits(x)
        assert (shrink(large, student).logits(x) - shipped).abs().max() < 0.05 * shipped.std()


def test_other_layers_are_not_taken_back() -> None:
    with pytest.raises(ValueError, match="the smaller has not"):
        shrink(grow(small("A", 1 / 16), VGG("D", 10, 1 / 8)), VGG("A", 10, 1 / 16))
    with pytest.raises(ValueError, match="has no conv1_2"):
        shrink(VGG("A", 10, 1 / 8), VGG("D", 10, 1 / 16))
    with pytest.raises(ValueError, match="has no conv1_2"):
        grow(VGG("D", 10, 1 / 16), VGG("A", 10, 1 / 8))


@pytest.mark.parametrize("name", ["features.0.weight", "features.3.weight", "features.3.bias"])
def test_what_learned_since_it_grew_is_not_taken_back(name: str) -> None:
    grown = grow(small("A", 1 / 16), VGG("A", 10, 1 / 8))
    with torch.no_grad():  # zeros stay zeros, as pruning holds them
        parameter = grown.get_parameter(name)
        parameter.mul_(1 + 0.01 * torch.rand(parameter.shape))
    with pytest.raises(ValueError, match="since it grew"):
        shrink(grown, VGG("A", 10, 1 / 16))
