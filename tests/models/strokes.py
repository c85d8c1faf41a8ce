"""Digits as strokes, as someone draws them with a mouse: polylines on a field of 1 x 1, y down."""

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

Line = list[tuple[float, float]]


def arc(cx: float, cy: float, rx: float, ry: float, start: float, end: float) -> Line:
    """Part of an ellipse; degrees clockwise from three o'clock."""
    angles = [math.radians(start + (end - start) * step / 24) for step in range(25)]
    return [(cx + rx * math.cos(angle), cy + ry * math.sin(angle)) for angle in angles]


STROKES: dict[int, list[Line]] = {
    0: [arc(0.5, 0.5, 0.22, 0.33, -90, 270)],
    1: [[(0.4, 0.28), (0.52, 0.17), (0.5, 0.83)]],
    2: [[*arc(0.5, 0.34, 0.2, 0.17, 190, 385), (0.3, 0.82), (0.73, 0.82)]],
    3: [[*arc(0.48, 0.33, 0.19, 0.16, 200, 440), *arc(0.48, 0.66, 0.22, 0.18, -80, 160)]],
    4: [[(0.36, 0.18), (0.3, 0.55), (0.7, 0.55)], [(0.63, 0.2), (0.6, 0.83)]],
    5: [[(0.68, 0.18), (0.36, 0.18), (0.34, 0.46), *arc(0.48, 0.63, 0.22, 0.2, -110, 150)]],
    6: [[(0.62, 0.17), (0.42, 0.35), (0.33, 0.6), *arc(0.5, 0.66, 0.17, 0.17, 180, -180)]],
    7: [[(0.3, 0.2), (0.7, 0.2), (0.45, 0.83)]],
    8: [[*arc(0.5, 0.34, 0.15, 0.16, 90, 450), *arc(0.5, 0.67, 0.19, 0.17, -90, 270)]],
    9: [[*arc(0.5, 0.35, 0.17, 0.17, 0, -360), (0.66, 0.4), (0.6, 0.83)]],
}


def draw(
    digit: int,
    size: int = 280,
    thickness: float = 0.07,
    scale: float = 1.0,
    offset: tuple[float, float] = (0.0, 0.0),
    slant: float = 0.0,
    light_on_dark: bool = False,
) -> NDArray[np.uint8]:
    """The digit as RGB pixels (size, size, 3); thickness and offset are shares of the field."""
    paper, ink = (0, 255) if light_on_dark else (255, 0)
    picture = Image.new("L", (size, size), paper)
    pen = ImageDraw.Draw(picture)
    width = max(1, round(thickness * size))
    for line in STROKES[digit]:
        points = [
            (
                (0.5 + offset[0] + scale * (x - 0.5 - slant * (y - 0.5))) * size,
                (0.5 + offset[1] + scale * (y - 0.5)) * size,
            )
            for x, y in line
        ]
        pen.line(points, fill=ink, width=width, joint="curve")
        for x, y in points:  # a pen with a round tip
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=ink)
    return np.repeat(np.asarray(picture)[:, :, None], 3, axis=2)
