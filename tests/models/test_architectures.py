"""Sizes and parameter names of the architectures, with the figures of the papers and of torchvision."""

import math

import pytest
import torch
from torch import nn

from models.architectures import NETWORKS, build
from models.architectures.googlenet import GoogLeNet
from models.architectures.lenet5 import C3_TABLE, LeNet5
from models.architectures.network import Network
from models.architectures.resnet import ResNet
from models.architectures.vgg import VGG
from models.layers import TableConv2d

PARAMETERS = {
    "alexnet": 60_965_224,
    "alexnet_torchvision": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "googlenet_torchvision": 13_004_888,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet152_torchvision": 60_192_808,
}


def on_meta(name: str, classes: int = 1000) -> Network:
    with torch.device("meta"):
        return build(name, 10 if name == "lenet5" else classes)


def count(network: nn.Module, but: str = "-") -> int:
    return sum(p.numel() for name, p in network.named_parameters() if not name.startswith(but))


@pytest.mark.parametrize("name", PARAMETERS)
def test_published_parameters(name: str) -> None:
    assert count(on_meta(name)) == PARAMETERS[name]


def test_parameters_without_auxiliary_classifiers() -> None:
    assert count(on_meta("googlenet"), but="aux") == 6_998_552
    assert count(on_meta("googlenet_torchvision"), but="aux") == 6_624_904
    assert count(on_meta("alexnet", 10)) == 56_909_194
    assert count(on_meta("vgg16", 10)) == 134_301_514


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layer_name_is_a_submodule_and_unique(name: str) -> None:
    network = on_meta(name)
    names = network.layer_names()
    for path in names:
        network.get_submodule(path)
    assert len(set(names.values())) == len(names)
    if name != "lenet5":  # its codes are real numbers on purpose
        assert network.eval()(torch.empty(2, *network.input_shape, device="meta")).shape == (2, 1000)


def shapes(network: nn.Module) -> dict[str, tuple[int, ...]]:
    return {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}


def test_torchvision_keys_of_vgg() -> None:
    expected: dict[str, tuple[int, ...]] = {}
    convolutions = {0: (3, 64), 3: (64, 128), 6: (128, 256), 8: (256, 256), 11: (256, 512)}
    convolutions |= {13: (512, 512), 16: (512, 512), 18: (512, 512)}
    for position, (inputs, outputs) in convolutions.items():
        expected |= {f"features.{position}.weight": (outputs, inputs, 3, 3), f"features.{position}.bias": (outputs,)}
    for position, (inputs, outputs) in {0: (25088, 4096), 3: (4096, 4096), 6: (4096, 1000)}.items():
        expected |= {f"classifier.{position}.weight": (outputs, inputs), f"classifier.{position}.bias": (outputs,)}
    assert shapes(on_meta("vgg11")) == expected
    sixteen = [0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28]
    assert {k for k in shapes(on_meta("vgg16")) if k.startswith("features") and k.endswith("weight")} == {
        f"features.{position}.weight" for position in sixteen
    }


def torchvision_resnet(blocks: tuple[int, ...], bottleneck: bool) -> dict[str, tuple[int, ...]]:
    """Key -> shape of torchvision's resnet, written down independently of ours."""
    expected: dict[str, tuple[int, ...]] = {"conv1.weight": (64, 3, 7, 7)}

    def norm(path: str, channels: int) -> None:
        for part in ("weight", "bias", "running_mean", "running_var"):
            expected[f"{path}.{part}"] = (channels,)
        expected[f"{path}.num_batches_tracked"] = ()

    norm("bn1", 64)
    channels = 64
    for stage, number in enumerate(blocks):
        width = 64 * 2**stage
        out = width * 4 if bottleneck else width
        for block in range(number):
            path = f"layer{stage + 1}.{block}"
            inner = [(width, channels, 1), (width, width, 3), (out, width, 1)]
            if not bottleneck:
                inner = [(width, channels, 3), (width, width, 3)]
            for index, (outputs, inputs, kernel) in enumerate(inner, start=1):
                expected[f"{path}.conv{index}.weight"] = (outputs, inputs, kernel, kernel)
                norm(f"{path}.bn{index}", outputs)
            if block == 0 and channels != out:
                expected[f"{path}.downsample.0.weight"] = (out, channels, 1, 1)
                norm(f"{path}.downsample.1", out)
            channels = out
    return expected | {"fc.weight": (1000, channels), "fc.bias": (1000,)}


@pytest.mark.parametrize(
    ("name", "blocks", "bottleneck"),
    [
        ("resnet18", (2, 2, 2, 2), False),
        ("resnet34", (3, 4, 6, 3), False),
        ("resnet50_torchvision", (3, 4, 6, 3), True),
        ("resnet101", (3, 4, 23, 3), True),
        ("resnet152_torchvision", (3, 8, 36, 3), True),
    ],
)
def test_torchvision_keys_of_resnet(name: str, blocks: tuple[int, ...], bottleneck: bool) -> None:
    assert shapes(on_meta(name)) == torchvision_resnet(blocks, bottleneck)


def test_torchvision_keys_of_alexnet() -> None:
    assert shapes(on_meta("alexnet_torchvision")) == {
        "features.0.weight": (64, 3, 11, 11),
        "features.0.bias": (64,),
        "features.3.weight": (192, 64, 5, 5),
        "features.3.bias": (192,),
        "features.6.weight": (384, 192, 3, 3),
        "features.6.bias": (384,),
        "features.8.weight": (256, 384, 3, 3),
        "features.8.bias": (256,),
        "features.10.weight": (256, 256, 3, 3),
        "features.10.bias": (256,),
        "classifier.1.weight": (4096, 9216),
        "classifier.1.bias": (4096,),
        "classifier.4.weight": (4096, 4096),
        "classifier.4.bias": (4096,),
        "classifier.6.weight": (1000, 4096),
        "classifier.6.bias": (1000,),
    }


def test_torchvision_keys_of_googlenet() -> None:
    found = shapes(on_meta("googlenet_torchvision"))
    units = ["conv1", "conv2", "conv3"]
    for module in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        branches = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
        units += [f"inception{module}.{branch}" for branch in branches]
    units += ["aux1.conv", "aux2.conv"]
    norms = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    keys = {f"{unit}.{part}" for unit in units for part in ["conv.weight", *(f"bn.{norm}" for norm in norms)]}
    full = ("aux1.fc1", "aux1.fc2", "aux2.fc1", "aux2.fc2", "fc")
    assert set(found) == keys | {f"{layer}.{part}" for layer in full for part in ("weight", "bias")}
    assert found["inception3a.branch3.1.conv.weight"] == (32, 16, 3, 3), "3x3 where the paper has 5x5"
    assert found["aux1.fc1.weight"] == (1024, 2048)
    assert found["aux2.conv.conv.weight"] == (128, 528, 1, 1)


def test_auxiliary_classifiers_are_for_training() -> None:
    network = GoogLeNet("paper", classes=5)
    x = torch.zeros(2, 3, 224, 224)
    with torch.no_grad():
        network.eval()
        main, first, second = network.training_logits(x)
        assert main.shape == first.shape == second.shape == (2, 5)
        torch.testing.assert_close(main, network.logits(x))
        torch.testing.assert_close(network(x).sum(dim=1), torch.ones(2))
    bare = GoogLeNet("paper", classes=5, auxiliary=False)
    with pytest.raises(ValueError, match="auxiliary=False"):
        bare.training_logits(x)
    assert count(bare) == count(network, but="aux")


def test_forms_of_the_inception_module() -> None:
    paper, naive = on_meta("googlenet"), on_meta("googlenet_naive")
    assert tuple(paper.get_parameter("inception3a.branch3.1.conv.weight").shape) == (32, 16, 5, 5)
    assert "inception_3a.3x3_reduce" in paper.layer_names().values()
    assert "inception_3a.3x3_reduce" not in naive.layer_names().values()
    # The pool's 192 maps pass through: 64 + 128 + 32 + 192.
    assert naive.get_parameter("inception3b.branch1.conv.weight").shape[1] == 416


def test_shortcut_options() -> None:
    with torch.device("meta"):
        a, b, c, plain = (count(ResNet(34, option)) for option in ("A", "B", "C", "none"))
    # A and plain have no projections; B has three, C one a block: kernels and two numbers a channel.
    assert a == plain == b - sum(n * 2 * n + 2 * 2 * n for n in (64, 128, 256))
    same = sum(blocks * (n * n + 2 * n) for n, blocks in ((64, 3), (128, 3), (256, 5), (512, 2)))
    assert c == b + same


def test_shortcut_a_pads_with_zeros() -> None:
    network = ResNet(18, "A", classes=3)
    shortcut = network.get_submodule("layer2.0.downsample")
    x = torch.rand(1, 64, 6, 6)
    y = shortcut(x)
    assert y.shape == (1, 128, 3, 3)
    torch.testing.assert_close(y[:, :64], x[:, :, ::2, ::2])
    assert not y[:, 64:].any()


def test_stride_of_the_bottleneck() -> None:
    for option, strides in (("1x1", [(2, 2), (1, 1)]), ("3x3", [(1, 1), (2, 2)])):
        with torch.device("meta"):
            network = ResNet(50, "B", "1x1" if option == "1x1" else "3x3")
        found = [network.get_submodule(f"layer2.0.conv{n}") for n in (1, 2)]
        assert [conv.stride for conv in found if isinstance(conv, nn.Conv2d)] == strides


def test_lenet5_is_the_papers() -> None:
    network = LeNet5()
    trained = {name: p.numel() for name, p in network.named_parameters()}
    dense = trained.pop("c3.0.weight")
    joined = sum(len(row) for row in C3_TABLE)
    assert (dense, joined) == (2400, 60)
    assert sum(trained.values()) + 25 * joined == 60_000
    convolution = network.c3[0]
    assert isinstance(convolution, TableConv2d)
    assert int((convolution.masked_weight() != 0).sum()) == 1500
    codes = network.output.codes
    assert codes.shape == (10, 84) and set(codes.flatten().tolist()) == {-1.0, 1.0}
    distances = torch.cdist(codes, codes) + 100 * torch.eye(10)
    assert distances.min() ** 2 > 60, "no two digits look alike"
    y = network.s2(torch.full((1, 6, 4, 4), 1.0))  # starts as a mean
    torch.testing.assert_close(y, torch.full((1, 6, 2, 2), 1.7159 * math.tanh(2 / 3)))
    with pytest.raises(ValueError, match="10 classes, not 11"):
        LeNet5(11)


@pytest.mark.parametrize("wrong", ["vgg17", ""])
def test_unknown_names_say_what_there_is(wrong: str) -> None:
    with pytest.raises(ValueError, match="there are lenet5"):
        build(wrong)
    with pytest.raises(ValueError, match="A, A-LRN, B"):
        VGG("F")
    with pytest.raises(ValueError, match="18, 34"):
        ResNet(19)
