"""Draws docs/seven.png, the picture that the README's commands send: `python docs/draw.py`."""

from pathlib import Path

from PIL import Image, ImageDraw


def draw_seven() -> Image.Image:
    """A seven in black on white, 160 x 160, drawn at four times the size for smooth edges."""
    picture = Image.new("L", (640, 640), 255)
    ImageDraw.Draw(picture).line([(180, 170), (460, 170), (290, 500)], fill=0, width=52, joint="curve")
    return picture.resize((160, 160), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    draw_seven().save(Path(__file__).with_name("seven.png"), optimize=True)
