"""bytes -> picture: decoded, bounded, upright, RGB.

The bytes decide what an image is, never its declared type. What comes out is one array of 8-bit RGB, whatever went
in: grey, palette, CMYK, 16-bit, transparent (laid on white), animated (first frame) or turned by EXIF.
"""

import hashlib
import io
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import ExifTags
from PIL import Image as Pillow

from app.bombs import refuse_bombs
from app.errors import ImageUndecodable, InvalidValue, MediaTypeUnsupported
from app.wanted import check_wanted

Pixels = npt.NDArray[np.uint8]

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
READABLE = "JPEG, PNG, GIF, WebP, BMP, TIFF and AVIF"

STRIP_PIXELS = 1 << 20  # converted at once

# Pictures above this are in memory one at a time, so that several at once take no more than the largest of them. One
# thread may decode a picture twice, as different networks look at different parts of it.
LARGE_PIXELS = 4_000_000
LARGE = threading.RLock()

# ISO 23008-12: the brands of a HEIF container whose pictures are HEVC. AVIF shares the container ("mif1").
HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
AVIF_BRANDS = frozenset({b"avif", b"avis"})

# Pillow's own limit is one for the whole process, only warns up to twice its size, and knows no setting; `decode`
# holds every header against its own limit before a pixel is allocated.
Pillow.MAX_IMAGE_PIXELS = None

# Pillow warns of damaged metadata, which does no harm here. Filters for warnings belong to the whole process, so they
# are changed by one thread at a time, and only while headers are read.
METADATA = threading.Lock()


@dataclass(frozen=True, eq=False)
class Image:
    """A decoded picture, upright.

    `content` is uint8 (H, W, 3) RGB, or Pillow's own picture (RGB or L) where that is how it was decoded: copying
    it to an array and back would cost as much as shrinking it. `width` and `height` are the file's, after
    orientation, though it may have been decoded at a smaller size. `sha256` is the digest of the file's bytes.
    """

    content: Pixels | Pillow.Image
    sha256: str
    width: int
    height: int

    @classmethod
    def of(cls, pixels: Pixels, sha256: str = "") -> "Image":
        """The image of an array, uint8 (H, W, 3)."""
        return cls(pixels, sha256, int(pixels.shape[1]), int(pixels.shape[0]))

    @property
    def pixels(self) -> Pixels:
        """uint8 (H, W, 3), RGB."""
        if isinstance(self.content, np.ndarray):
            return self.content
        return np.asarray(self.content.convert("RGB"), dtype=np.uint8)

    @property
    def picture(self) -> Pillow.Image:
        """As Pillow has it, RGB or L."""
        return self.content if isinstance(self.content, Pillow.Image) else Pillow.fromarray(self.content)


# whatever a notebook has at hand
Picture = Image | bytes | bytearray | memoryview | str | Path | Pixels | Pillow.Image


@dataclass(frozen=True)
class Enough:
    """As much of a picture as a network looks at: a longer side of `side` pixels, in grey."""

    side: int


def decode(
    data: bytes,
    max_pixels: int,
    enough: Enough | None = None,
    sha256: str | None = None,
    turn: ExitStack | None = None,
) -> Image:
    """Decode an image of up to `max_pixels` pixels.

    Args:
        data: the file.
        max_pixels: limit on its pixels.
        enough: what is needed of it, when not all is: a JPEG's blocks can be decoded at a half, a quarter or an
            eighth of their size, and its grey without its colours, which takes most of the time off.
        sha256: the file's digest, where it is known already.
        turn: large pictures take turns, which end when this is closed (let the image go by then); without it, when
            they are decoded.

    Raises:
        ImageUndecodable: empty, truncated, or nothing that can be read as a picture.
        ImageTooLarge: more pixels than `max_pixels`, by the header, before anything is decoded (app.bombs).
        MediaTypeUnsupported: the bytes are HEIC, which has to be converted first.
        Abandoned: nobody waits for it any more.
    """
    if not data:
        raise ImageUndecodable(f"The image is empty (0 bytes); send the bytes of a file: {READABLE} are read.", 0)
    if is_heic(data):
        raise MediaTypeUnsupported(
            "The image is HEIC, which is not read here; convert it to JPEG or PNG.", "image/heic"
        )
    try:
        with quiet_metadata():
            picture = Pillow.open(io.BytesIO(data), formats=FORMATS)
    except Exception as error:  # Pillow's decoders raise whatever a broken file leads them to
        raise ImageUndecodable(
            f"The {len(data)} bytes are not an image that can be read; {READABLE} are. They begin with "
            f"{data[:8].hex(' ')}.",
            len(data),
        ) from error
    with picture, ExitStack() as decoding:
        width, height = picture.size
        if refuse_bombs(picture, data, max_pixels) > LARGE_PIXELS:
            (turn or decoding).enter_context(large_turn())
        try:
            if enough is not None:
                longer = max(width, height)
                least = (max(1, width * enough.side // longer), max(1, height * enough.side // longer))
                picture.draft("L", least)  # does nothing to what is no JPEG
            content: Pixels | Pillow.Image
            picture.load()
            orientation = read_orientation(picture)
            plain = picture.format in ("JPEG", "PNG") and picture.mode in ("RGB", "L")
            if plain and orientation == 1 and not picture.has_transparency_data:
                content = picture
            else:
                content = np.ascontiguousarray(orient(to_rgb(picture), orientation))
        except Exception as error:  # as above: truncated data surfaces as almost any exception
            picture.close()  # what there is of it goes now: the error is held until it has been told
            raise ImageUndecodable(
                f"The {picture.format} image of {width} x {height} pixels is truncated or damaged: {error}.",
                len(data),
            ) from error
        if orientation >= 5:
            width, height = height, width
    return Image(content, sha256 or hashlib.sha256(data).hexdigest(), width, height)


def as_image(source: Picture, max_pixels: int = 50_000_000, enough: Enough | None = None) -> Image:
    """A decoded image of whatever a notebook has at hand.

    Raises:
        ImageUndecodable, ImageTooLarge: as for an upload.
        InvalidValue: an array that is no picture.
    """
    if isinstance(source, Image):
        return source
    if isinstance(source, bytes | bytearray | memoryview):
        return decode(bytes(source), max_pixels, enough)
    if isinstance(source, Pillow.Image):  # its own picture, with its palette, its transparency and its EXIF
        return from_pillow(source)
    if isinstance(source, str | Path):
        try:
            return decode(Path(source).read_bytes(), max_pixels, enough)
        except OSError as error:
            raise ImageUndecodable(f"The image {source} cannot be read: {error.strerror}.", str(source)) from error
    pixels = np.asarray(source)
    fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
    if pixels.dtype != np.uint8 or not fits or pixels.size == 0:
        raise InvalidValue(
            f"An image is a path, a file's bytes, a picture of Pillow's, or an array of uint8 and of shape (H, W, 3) "
            f"or (H, W) with pixels in it; not {pixels.dtype} {pixels.shape} of {type(source).__name__}.",
            list(pixels.shape),
        )
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    pixels = np.ascontiguousarray(pixels)
    return Image.of(pixels, hashlib.sha256(pixels.tobytes()).hexdigest())


def from_pillow(picture: Pillow.Image) -> Image:
    """A picture that somebody opened or made with Pillow, upright.

    Raises:
        InvalidValue: it has no pixels.
        ImageUndecodable: it is of a file that is truncated or damaged.
    """
    if 0 in picture.size:
        raise InvalidValue(f"The picture has no pixels: {picture.width} x {picture.height}.", list(picture.size))
    try:
        upright = np.ascontiguousarray(orient(to_rgb(picture), read_orientation(picture)))
    except Exception as error:  # opened lazily, it is decoded now: as in `decode`
        raise ImageUndecodable(f"The picture is truncated or damaged: {error}.", picture.format) from error
    return Image.of(upright, hashlib.sha256(upright.tobytes()).hexdigest())


@contextmanager
def large_turn() -> Iterator[None]:
    """The turn of one large picture, which is not waited for any longer than somebody waits for the picture."""
    while not LARGE.acquire(timeout=0.2):
        check_wanted()
    try:
        yield
    finally:
        LARGE.release()


@contextmanager
def quiet_metadata() -> Iterator[None]:
    """No warnings while a header or EXIF is read."""
    with METADATA, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def is_heic(data: bytes) -> bool:
    """Whether the bytes are a HEIF container with HEVC pictures (by the brands of its `ftyp` box)."""
    if data[4:8] != b"ftyp":
        return False
    end = min(int.from_bytes(data[:4], "big"), len(data), 256)
    brands = {data[start : start + 4] for start in range(8, end - 3, 4)}
    return bool(brands & HEIC_BRANDS) and not brands & AVIF_BRANDS


def to_rgb(picture: Pillow.Image) -> Pixels:
    """A loaded picture of any mode as uint8 (H, W, 3); what is transparent shows white.

    Made in strips of rows, so that a large picture is held once as Pillow has it and once as it is returned.
    """
    pixels = np.empty((picture.height, picture.width, 3), np.uint8)
    levels = range_of(picture) if is_deep(picture) else (0.0, 0.0)
    for top, bottom in strips(picture):
        strip = picture.crop((0, top, picture.width, bottom))
        if is_deep(picture):
            pixels[top:bottom] = deep_to_8_bit(strip, *levels)[:, :, None]
        else:
            pixels[top:bottom] = on_white(strip)
    return pixels


def strips(picture: Pillow.Image) -> Iterator[tuple[int, int]]:
    """First and last row of strips of up to STRIP_PIXELS pixels."""
    rows = max(1, STRIP_PIXELS // picture.width)
    for top in range(0, picture.height, rows):
        yield top, min(top + rows, picture.height)


def on_white(picture: Pillow.Image) -> Pixels:
    """8-bit pixels of any mode as uint8 (H, W, 3), laid on white."""
    if picture.mode == "La":  # premultiplied grey: Pillow converts it to LA alone
        picture = picture.convert("LA")
    if not picture.has_transparency_data:
        return np.asarray(picture.convert("RGB"), dtype=np.uint8)
    rgba = picture.convert("RGBA")
    white = Pillow.new("RGB", picture.size, "white")
    white.paste(rgba.convert("RGB"), mask=rgba.getchannel("A"))  # (c * a + 255 * (255 - a)) / 255, rounded
    return np.asarray(white, dtype=np.uint8)


def is_deep(picture: Pillow.Image) -> bool:
    """Whether its grey has more than 8 bits a pixel."""
    return picture.mode.startswith("I") or picture.mode == "F"


def range_of(picture: Pillow.Image) -> tuple[float, float]:
    """Smallest and largest finite value of a deep picture."""
    lows, highs = [], []
    for top, bottom in strips(picture):
        values = finite(np.asarray(picture.crop((0, top, picture.width, bottom))))
        lows.append(float(values.min()))
        highs.append(float(values.max()))
    return min(lows), max(highs)


def finite(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """The values with 0 for what is no number."""
    return np.nan_to_num(values.astype(np.float64), posinf=0.0, neginf=0.0)


def deep_to_8_bit(picture: Pillow.Image, low: float, high: float) -> Pixels:
    """Grey of more than 8 bits a pixel as uint8 (H, W).

    16 bits have a white, 65535, and are scaled by it. 32-bit integers and floats have none that writers agree on, so
    the picture's own minimum and maximum, `low` and `high`, become 0 and 255.
    """
    values = np.asarray(picture)  # (H, W)
    if values.dtype.itemsize == 2:
        wide = values.astype(np.uint32)
        grey = ((wide + 128) // 257).astype(np.uint8)  # round(v * 255 / 65535), as 65535 = 255 * 257
        transparent = picture.info.get("transparency")
        if isinstance(transparent, int):  # PNG's tRNS: this one grey is transparent
            grey[values == transparent] = 255
        return grey
    if high == low:
        return np.zeros(values.shape, np.uint8)
    scaled: Pixels = np.rint((finite(values) - low) * (255 / (high - low))).astype(np.uint8)
    return scaled


def read_orientation(picture: Pillow.Image) -> int:
    """The EXIF orientation, 1 (upright) to 8; damaged EXIF counts as upright."""
    try:
        with quiet_metadata():
            orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # EXIF is optional: a picture with broken metadata is still a picture
        return 1
    return orientation if isinstance(orientation, int) and 1 <= orientation <= 8 else 1


def orient(pixels: Pixels, orientation: int) -> Pixels:
    """Turn (H, W, 3) upright by its EXIF orientation (EXIF 2.32, section 4.6.4, tag 0x0112): a view, no copy."""
    if orientation >= 5:  # 5..8: stored rows are the picture's columns
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (3, 4, 7, 8):  # rows run upwards
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):  # columns run leftwards
        pixels = pixels[:, ::-1]
    return pixels
