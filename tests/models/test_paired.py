"""The paired test of two forms of a network."""

import numpy as np
import pytest

from app.manifest import Paired
from models.paired import chance, paired


def test_only_images_on_which_the_two_differ_count() -> None:
    labels = np.array([0, 1, 2, 3, 4, 5])
    float32 = np.array([0, 1, 2, 0, 0, 5])
    int8 = np.array([0, 1, 0, 3, 1, 0])
    assert paired(labels, float32, int8) == Paired(only_float32=2, only_int8=1)


@pytest.mark.parametrize(
    ("lost", "won", "probability"),
    [(0, 0, 1.0), (1, 0, 1 / 2), (0, 5, 1.0), (3, 1, 5 / 16), (10, 0, 2**-10), (30, 30, 0.5513)],
)
def test_the_chance_is_that_of_a_coin(lost: int, won: int, probability: float) -> None:
    assert chance(Paired(only_float32=lost, only_int8=won)) == pytest.approx(probability, abs=1e-4)
