"""LeNet-5's output codes: each digit as a stylised picture of 7 x 12 pixels, drawn for this project.

LeCun et al. 1998, section II.B, says why pictures: confusable characters get similar codes, and codes of +1 and -1
keep the scaled tanh of F6 out of saturation. Figure 3 there shows such a set.
"""

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 7, 12

# Two rows of five pictures: 0 1 2 3 4, then 5 6 7 8 9. Ink (#) is +1, paper (.) is -1.
PICTURES = """
..###.. ...##.. .#####. ####### .....#.
.##.##. ..###.. ##...## .....## ....##.
##...## .####.. #.....# ....##. ...###.
##...## ...##.. .....## ...##.. ..####.
#.....# ...##.. .....## ..##... .##.##.
#.....# ...##.. ....##. ..####. ##..##.
#.....# ...##.. ...##.. ....### #######
#.....# ...##.. ..##... .....## #######
##...## ...##.. .##.... #.....# ....##.
##...## ...##.. ##..... ##...## ....##.
.##.##. ...##.. ####### .##.##. ....##.
..###.. .#####. ####### ..###.. ....##.

####### ...###. ####### .#####. .#####.
####### ..##... ####### ##...## ##...##
##..... .##.... .....## ##...## ##...##
##..... ##..... .....## ##...## #.....#
######. ##.###. ....##. .##.##. ##...##
##..### ###.### ....##. ..###.. .######
.....## ##...## ...##.. .##.##. ..##.##
.....## #.....# ...##.. ##...## .....##
.....## #.....# ..##... #.....# .....##
##...## ##...## ..##... #.....# ....##.
.##.##. .##.##. .##.... ##...## ...##..
..###.. ..###.. .##.... .#####. .###...
"""


def output_codes() -> NDArray[np.float32]:
    """The ten codes, (10, 84), each row a picture read line by line."""
    lines = [line.split() for line in PICTURES.splitlines() if line]  # 24 lines of five strips
    strips = np.array([[[pixel == "#" for pixel in strip] for strip in line] for line in lines])  # (24, 5, 7)
    pictures = strips.reshape(2, HEIGHT, 5, WIDTH).transpose(0, 2, 1, 3)  # (2, 5, 12, 7)
    return np.where(pictures.reshape(10, HEIGHT * WIDTH), np.float32(1), np.float32(-1))
