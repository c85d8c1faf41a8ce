"""Whether one form of a network is right less often than another, on the same images."""

from math import comb

import numpy as np
from numpy.typing import NDArray

from app.manifest import Paired


def paired(labels: NDArray[np.int64], float32: NDArray[np.int64], int8: NDArray[np.int64]) -> Paired:
    """Answers (images,) of the two forms against the classes (images,)."""
    right, narrow = float32 == labels, int8 == labels
    return Paired(only_float32=int((right & ~narrow).sum()), only_int8=int((narrow & ~right).sum()))


def chance(differences: Paired) -> float:
    """How probable it is that 8 bits lose so many images or more, if they are right as often as float32 is.

    McNemar 1947, "Note on the sampling error of the difference between correlated proportions or percentages", exact
    and one-sided: each image on which the two differ is one side's or the other's as a coin falls.
    """
    lost, all_ = differences.only_float32, differences.only_float32 + differences.only_int8
    return sum(comb(all_, k) for k in range(lost, all_ + 1)) / (1 << all_)
