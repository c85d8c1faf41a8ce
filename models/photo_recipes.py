"""By which recipe each of the four photo networks is trained.

All figures but the last ones of VGG-16 and ResNet-34 are of runs whose kernels kept the lengths that folding had left
them (`models.shipped.rescale`), at the same rates; a run from shipped weights keeps more of what they know now.
"""

from dataclasses import replace
from functools import partial

from models.architectures.vgg import VGG
from models.photo_recipe import Recipe, Stage
from models.prune import Pruning


def _half(configuration: str, classes: int) -> VGG:
    return VGG(configuration, classes, share=0.5)


_HALF_D = Recipe(
    (Stage(96, 1, (0.15, 0.8)), Stage(128, 1, (0.2, 0.9)), Stage(224, 1, (0.35, 1.0), share=0.6)),
    peak_rate=0.03,
    student=partial(_half, "D"),
    dropout=0.3,
    normalise_full=True,
    full_rate=0.1,
    pruning=Pruning(kernels=0.3, full=0.9, begins=0.0, ends=0.67),
)

RECIPES: dict[str, Recipe] = {
    # At 131 pixels its grid is 3 x 3, where every cell stands for 2 x 2 of the 6 x 6 that its full layers see at 227.
    # Zeros go where the numbers are: 54 of 57 million in FC6 and FC7 (Han et al. 2015, table 4).
    "alexnet": Recipe(
        (Stage(131, 16, (0.15, 0.8)), Stage(227, 7, (0.3, 1.0))),
        peak_rate=0.04,
        pruning=Pruning(kernels=0.4, full=0.92),
    ),
    # On two cores an epoch of the whole at 224 pixels takes an hour; configuration A with half of the channels takes
    # ten minutes, and what it learned is kept. The zeros of the small networks are zeros of the large one. Without
    # normalisation the full layers stayed at chance, and with it they diverged at the convolutions' rate.
    "vgg16": Recipe(
        (),
        normalise_full=True,
        # After two lessons 81.9 % of the watched photos were right with training's statistics, 78.8 % with new ones.
        renormalise=False,
        before=(
            Recipe(
                (Stage(96, 7, (0.15, 0.8)),),
                student=partial(_half, "A"),
                dropout=0.3,
                normalise_full=True,
                full_rate=0.1,
            ),
            _HALF_D,
            replace(_HALF_D, stages=(Stage(128, 2, (0.2, 0.9)), Stage(224, 3, (0.35, 1.0)))),
        ),
        # The student of the shipped weights learns on, on two cores with bf16, beside other work: twelve epochs led
        # from the 85.1 % of the lessons above to 89.7, these nine to 90.1 in 79 minutes. Most of its zeros may grow
        # again before they are cut anew, as in Han et al. 2016, "DSD: Dense-sparse-dense training".
        further=replace(_HALF_D, stages=(Stage(128, 4, (0.2, 0.9)), Stage(224, 5, (0.35, 1.0))), colour=0.4),
    ),
    # On from the shipped weights (30 epochs, the last three at 224 pixels, 88.0 %): two cores with bf16, 92 minutes
    # beside other work.
    "googlenet": Recipe(
        (Stage(128, 13, (0.2, 0.9)), Stage(224, 4, (0.35, 1.0))),
        peak_rate=0.04,
        dropout=0.2,  # few epochs
        renormalise=False,  # its last epochs are at 224 pixels
    ),
    # On from the shipped weights: twice, from 89.8 % (61 epochs) to 90.6 and to 91.5, each time in 115 minutes on two
    # cores with bf16, beside other work. Before, they were right on 94 % of the photos that they had learned from;
    # mixup, harder crops and GoogLeNet as a teacher, at half of this rate, gained nothing more: a higher rate on
    # smaller pictures learns what was missing.
    "resnet34": Recipe(
        (Stage(128, 21, (0.2, 0.9)), Stage(224, 3, (0.35, 1.0))),
        peak_rate=0.08,
        colour=0.4,
        renormalise=False,  # its last epochs are at 224 pixels
        pruning=Pruning(kernels=0.4, begins=0.3, ends=0.7),
    ),
}
