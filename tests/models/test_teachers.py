"""A teacher answers as what is shipped does, whatever the size of its pictures."""

from pathlib import Path

import pytest
import torch

from models import teachers
from models.architectures import build
from models.bundle import BUNDLED
from models.shipped import load_numbers, shipped_numbers
from models.teachers import shipped_teacher


def test_a_teacher_answers_as_the_shipped_network_does(cache_dir: Path) -> None:
    teacher = shipped_teacher("googlenet", cache_dir)
    numbers = shipped_numbers(BUNDLED / "googlenet", cache_dir)
    assert numbers is not None
    shipped = build("googlenet", 10).eval()
    load_numbers(shipped, numbers)
    x = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(7))
    with torch.no_grad():
        torch.testing.assert_close(teacher.logits(x), shipped.logits(x), rtol=1e-3, atol=1e-3)
        assert teacher.logits(x[:, :, :144, :144]).shape == (2, 10)
    assert not teacher.training and not any(parameter.requires_grad for parameter in teacher.parameters())


def test_what_was_not_trained_cannot_teach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(teachers, "shipped_numbers", lambda folder, cache: None)
    with pytest.raises(ValueError, match="'googlenet' cannot teach"):
        shipped_teacher("googlenet", tmp_path)
