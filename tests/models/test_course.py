"""What the course's page says of architectures is what they count to."""

from pathlib import Path

import pytest
import torch
from torch import nn

from app.course import Counted, Course
from app.graph import read_graph
from app.places import COURSE
from models.architectures import build
from models.architectures.googlenet import MODULES, GoogLeNet
from models.course import count, depth, text_of, write
from models.export import structure


@pytest.fixture(scope="module")
def counted() -> Counted:
    return count()


def test_the_file_is_what_is_counted(counted: Counted) -> None:
    course = Course.open()
    assert course.problems == ()
    assert course.counted == counted
    assert (COURSE / "counted.json").read_text(encoding="utf-8") == text_of(counted)


def test_writing_again_writes_the_same_file(counted: Counted, tmp_path: Path) -> None:
    path = write(tmp_path)
    assert list(tmp_path.iterdir()) == [path]  # nothing is left beside it
    assert path.read_text(encoding="utf-8") == text_of(counted)
    assert Course.open(tmp_path).counted == counted


@pytest.mark.parametrize("name", ["alexnet", "vgg16_1x1", "resnet34_a", "resnet50", "googlenet_naive"])
def test_parameters_are_those_of_the_torch_module(counted: Counted, name: str) -> None:
    """Torch's own parameters; a folded batch normalisation leaves one bias of its two vectors."""
    with torch.device("meta"):
        network = build(name)
    modules = [module for path, module in network.named_modules() if not path.startswith("aux")]
    weighted = [module for module in modules if isinstance(module, nn.Conv2d | nn.Linear)]
    own = sum(parameter.numel() for module in weighted for parameter in module.parameters())
    folded = sum(module.num_features for module in modules if isinstance(module, nn.BatchNorm2d))
    assert counted.networks[name].parameters == own + folded


@pytest.mark.parametrize(
    ("name", "layers"),
    [("alexnet", 8), ("googlenet", 22), ("plain34", 34), ("resnet34", 34), ("resnet34_c", 34), ("resnet152", 152)],
)
def test_layers_on_the_longest_way(counted: Counted, name: str, layers: int) -> None:
    assert counted.networks[name].weight_layers == layers


def test_modules_are_those_of_table_1(counted: Counted) -> None:
    assert [module.name for module in counted.modules["full"]] == list(MODULES)
    for form in ("paper", "naive"):
        with torch.device("meta"):
            network = GoogLeNet(form)
        for module in counted.modules["full" if form == "paper" else "naive"]:
            own = network.get_submodule(f"inception{module.name}")
            assert module.parameters == sum(parameter.numel() for parameter in own.parameters())
            assert module.channels == own.out_channels


def test_depth_follows_the_longest_branch() -> None:
    assert depth(read_graph(structure("resnet18"), None, "resnet18")) == 18
