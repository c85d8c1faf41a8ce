"""How a network starts its training, and how smaller ones go before it."""

from pathlib import Path

import torch

from models.architectures import build
from models.architectures.resnet import Block
from models.architectures.vgg import VGG
from models.grow import grow, shrink
from models.lessons import further_lesson, lessons, start
from models.photo_recipe import Recipe, Stage
from tests.models.noise import noise


def test_residual_blocks_begin_as_their_shortcuts() -> None:
    torch.manual_seed(0)
    blocks = [module for module in start(build("resnet34", 10)).modules() if isinstance(module, Block)]
    assert blocks
    plain = [block for block in blocks if block.downsample is None]
    for block in plain:
        maps = torch.rand(2, block.conv1.in_channels, 4, 4)  # not negative, so that the last ReLU changes nothing
        torch.testing.assert_close(block(maps), maps)


def test_lessons_end_in_the_whole_network_and_are_not_taken_twice(tmp_path: Path) -> None:
    photos = noise()
    recipe = Recipe(
        (),
        before=(
            Recipe((Stage(32, 2),), batch=4, peak_rate=0.001, student=lambda classes: VGG("A", classes, 1 / 32)),
            Recipe((Stage(64, 1),), batch=4, peak_rate=0.001, student=lambda classes: VGG("D", classes, 1 / 32)),
        ),
    )
    grown, progress = lessons(recipe, VGG("D", 10, 1 / 16), photos, photos, tmp_path / "vgg.pt")
    assert len(progress.losses) == 3
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["vgg-1.pt", "vgg-2.pt"]
    written = [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())]
    again, _ = lessons(recipe, VGG("D", 10, 1 / 16), photos, photos, tmp_path / "vgg.pt")
    assert [path.stat().st_mtime_ns for path in sorted(tmp_path.iterdir())] == written
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        torch.testing.assert_close(grown.logits(x), again.logits(x), rtol=1e-4, atol=1e-5)
        assert grown.logits(x).std() > 0


def test_the_student_of_a_grown_network_learns_on_and_grows_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    student = start(VGG("A", 10, 1 / 32))
    assert isinstance(student, VGG)
    lesson = Recipe((Stage(32, 2),), batch=4, peak_rate=0.001, student=lambda classes: VGG("A", classes, 1 / 32))
    shipped = grow(student, VGG("A", 10, 1 / 8))
    x = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        before = shipped.logits(x)
    network, progress = further_lesson(lesson, shipped, noise(), noise(), tmp_path / "vgg.pt")
    assert len(progress.losses) == 2 and [path.name for path in tmp_path.iterdir()] == ["vgg-further.pt"]
    assert isinstance(network, VGG)
    with torch.no_grad():
        learned = network.logits(x)
        assert not torch.allclose(learned, before, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(shrink(network, VGG("A", 10, 1 / 32)).logits(x), learned, rtol=1e-3, atol=1e-4)
