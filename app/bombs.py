"""Files that take far more memory or time than their headers tell, found before a pixel is decoded."""

import re
from typing import Literal

from PIL.Image import Image
from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from app.errors import ImageTooLarge, ImageUndecodable

# Decoders that hold the whole picture several times over (two canvases, or the planes, and Pillow's copies: 16 and 19
# bytes a pixel, as measured) have limits of their own, so that no upload takes more than 600 MB.
MOST_PIXELS = {"WEBP": 28_000_000, "AVIF": 24_000_000}

# Every scan of a JPEG is a walk over the whole picture, however few bytes it has. Encoders write about ten; libtiff
# bears as many as this in the JPEGs within its files.
MOST_SCANS = 100

SHORT, LONG = 3, 4  # TIFF 6.0, section 2

START_OF_SCAN, END_OF_IMAGE = 0xDA, 0xD9  # ITU-T T.81, table B.1
MARKER = re.compile(rb"\xff+([^\x00\x01\xd0-\xd8\xff])")  # those without a segment are passed over, but for the end


def refuse_bombs(picture: Image, data: bytes, max_pixels: int) -> int:
    """Hold an opened picture, `data` as it came, against the limits; returns the most pixels that are held of it.

    Raises:
        ImageTooLarge: more pixels than its format may have, or than `max_pixels`; in a TIFF, in one of its tiles.
        ImageUndecodable: a JPEG of more than MOST_SCANS scans, a TIFF whose tiles have no usual size.
    """
    width, height = picture.size
    limit = min(max_pixels, MOST_PIXELS.get(picture.format or "", max_pixels))
    other = ", or send it as JPEG or PNG" if width * height <= max_pixels else ""
    sizes = {f"The {picture.format} image": (width, height)}
    if isinstance(picture, TiffImageFile):  # a tile is decoded whole, though it may reach far beyond the picture
        sizes[f"A tile of the {picture.format} image"] = tile_size(picture, data)
    for what, (across, down) in sizes.items():
        if across * down > limit:
            raise ImageTooLarge(
                f"{what} has {across} x {down} = {across * down} pixels; the limit is {limit}. Shrink it{other}.",
                across * down,
                width=across,
                height=down,
                limit=limit,
            )
    # a quick count of what may be data, too, spares most files the walk
    if picture.format in ("JPEG", "MPO") and data.count(bytes((0xFF, START_OF_SCAN))) > MOST_SCANS:
        scans = count_scans(data)
        if scans > MOST_SCANS:
            raise ImageUndecodable(
                f"The JPEG image has {scans} scans, each of which goes over all of its {width} x {height} pixels; "
                f"the limit is {MOST_SCANS}. Save it anew.",
                scans,
            )
    return max(across * down for across, down in sizes.values())


def tile_size(picture: TiffImageFile, data: bytes) -> tuple[int, int]:
    """Width and height of a TIFF's tiles, or (0, 0) where it has none.

    Raises:
        ImageUndecodable: they are not given as the standard says (TIFF 6.0, section 15); libtiff takes some other
            forms, too, in which Pillow does not see them.
    """
    tags, kinds = (TILEWIDTH, TILELENGTH), field_types(data)
    found = [picture.tag_v2.get(tag, 0) for tag in tags]
    width, height = (size if isinstance(size, int) else 0 for size in found)
    unusual = any(kinds.get(tag, SHORT) not in (SHORT, LONG) for tag in tags)
    if unusual or (width > 0) != (height > 0) or any(not isinstance(size, int) for size in found):
        raise ImageUndecodable(
            f"The TIFF image's tiles have no usual size: {str(found)[:80]}. Save it anew.", len(data)
        )
    return width, height


def field_types(tiff: bytes) -> dict[int, int]:
    """Tag -> type of its value, of the first directory of a TIFF or BigTIFF."""
    order: Literal["little", "big"] = "little" if tiff[:2] == b"II" else "big"

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], order)

    wide = 0x2B in tiff[2:4]  # BigTIFF
    at = number(8, 8) if wide else number(4, 4)
    begin, size = (at + 8, 20) if wide else (at + 2, 12)
    count = min(number(at, begin - at), (len(tiff) - begin) // size)
    return {number(entry, 2): number(entry + 2, 2) for entry in range(begin, begin + count * size, size)}


def count_scans(jpeg: bytes) -> int:
    """The scans of a JPEG's first picture, by its markers (ITU-T T.81, annex B), passed over as libjpeg does.

    What follows the end, such as a telephone's film, does not count, nor does a thumbnail within a segment.
    """
    scans, at = 0, 0
    while (marker := MARKER.search(jpeg, at)) is not None:
        code = marker[1][0]
        if code == END_OF_IMAGE:
            break
        scans += code == START_OF_SCAN
        at = marker.end() + int.from_bytes(jpeg[marker.end() : marker.end() + 2], "big")
    return scans
