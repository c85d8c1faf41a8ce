"""The image in a request: a raw body, or the field `image` of a multipart form. Never more than the limit is read."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect, Request

from app.errors import BodyTooLarge, ImageUndecodable, InvalidValue, MediaTypeUnsupported

IMAGE_TYPES = (
    "image/jpeg",
    "image/png",
    "image/gif",
    "image/webp",
    "image/bmp",
    "image/tiff",
    "image/avif",
)
ALIASES = frozenset({"image/jpg", "image/pjpeg", "image/x-png", "image/apng", "image/x-bmp", "image/x-ms-bmp"})
UNDECLARED = ("application/octet-stream", "image/*")
HEIC_TYPES = frozenset({"image/heic", "image/heif", "image/heic-sequence", "image/heif-sequence"})
MULTIPART = "multipart/form-data"

MOST_PARTS = 16  # of a multipart body: `image`, and whatever a form adds
FIELD = "image"

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks


async def read_upload(request: Request, limit: int) -> bytes:
    """The bytes of the uploaded image.

    Raises:
        MediaTypeUnsupported: declared as something that is no image read here.
        BodyTooLarge: more than `limit` bytes, by Content-Length or while reading.
        InvalidValue: a multipart body without the field `image`, with too many parts, or broken.
        ImageUndecodable: the upload ended early.
    """
    declared, options = parse_options_header(request.headers.get("content-type", ""))
    media_type = declared.decode("latin-1").strip().lower()
    if media_type != MULTIPART:
        check_media_type(media_type)
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large(int(length), limit)
    chunks = bounded(request, limit)
    try:
        if media_type == MULTIPART:
            return await read_field(chunks, options.get(b"boundary", b""))
        return b"".join([chunk async for chunk in chunks])
    except ClientDisconnect as error:
        raise ImageUndecodable("The upload ended before its last byte. Send it again.") from error


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body, whatever it is.

    Raises:
        BodyTooLarge: more than `limit` bytes, by Content-Length or while reading.
        InvalidValue: the body ended early.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > limit:
        raise too_large(int(length), limit)
    try:
        return b"".join([chunk async for chunk in bounded(request, limit)])
    except ClientDisconnect as error:
        raise InvalidValue("The body ended before its last byte. Send it again.", None, field="body") from error


def check_media_type(media_type: str) -> None:
    """Raises MediaTypeUnsupported for a declared type that no image read here has; none declared is fine."""
    if media_type in HEIC_TYPES:
        raise MediaTypeUnsupported(
            f"{media_type} is not read here; convert the image to JPEG or PNG.", media_type, accepted=[*IMAGE_TYPES]
        )
    if media_type and media_type not in {*IMAGE_TYPES, *ALIASES, *UNDECLARED}:
        raise MediaTypeUnsupported(
            f"The body is declared as {media_type}. Send an image as one of {', '.join(IMAGE_TYPES + UNDECLARED)} "
            f"(curl --data-binary @cat.jpg -H 'Content-Type: image/jpeg'), or as the field '{FIELD}' of {MULTIPART} "
            f"(curl -F {FIELD}=@cat.jpg).",
            media_type,
            accepted=[*IMAGE_TYPES, *UNDECLARED, MULTIPART],
        )


async def bounded(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body's chunks; BodyTooLarge as soon as they are more than `limit` bytes."""
    count = 0
    async for chunk in request.stream():
        count += len(chunk)
        if count > limit:
            raise too_large(count, limit)
        yield chunk


def too_large(count: int, limit: int) -> BodyTooLarge:
    """The error for a body of at least `count` bytes."""
    return BodyTooLarge(
        f"The body has {count} bytes or more; the limit is {limit}. Send a smaller file, or raise "
        "CONVSCOPE_MAX_BODY_BYTES.",
        count,
        limit=limit,
    )


async def read_field(chunks: AsyncIterator[bytes], boundary: bytes) -> bytes:
    """The bytes of the part called `image` in a multipart body."""
    if not boundary:
        raise InvalidValue(f"{MULTIPART} needs a boundary in its Content-Type.", "", field="Content-Type")
    form = Form()
    try:
        parser = MultipartParser(boundary, form.callbacks())
        async for chunk in chunks:
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise InvalidValue(f"The multipart body is broken: {error}.", None, field="body") from error
    if form.image is None:
        raise InvalidValue(
            f"The form has no field '{FIELD}'; it has: {', '.join(form.names) or 'none'}. "
            f"Send the image as curl -F {FIELD}=@cat.jpg does.",
            form.names,
            field=FIELD,
        )
    if not form.complete:
        raise ImageUndecodable("The multipart body ends inside the image. Send it again.", len(form.image))
    return bytes(form.image)


class Form:
    """Collects the part called `image` as a multipart parser goes through a body; other parts are passed over."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.image: bytearray | None = None
        self.complete = False
        self._header = [b"", b""]  # name and value, as they come in pieces
        self._headers: dict[bytes, bytes] = {}
        self._taking = False

    def callbacks(self) -> "MultipartCallbacks":
        """What the parser calls."""
        return {
            "on_part_begin": self.begin_part,
            "on_header_field": self.take_header_name,
            "on_header_value": self.take_header_value,
            "on_header_end": self.end_header,
            "on_headers_finished": self.end_headers,
            "on_part_data": self.take_data,
            "on_part_end": self.end_part,
        }

    def begin_part(self) -> None:
        """A new part; more than MOST_PARTS are refused."""
        if len(self.names) >= MOST_PARTS:
            raise InvalidValue(
                f"The form has more than {MOST_PARTS} parts. Send '{FIELD}' alone.", MOST_PARTS + 1, field="body"
            )
        self._headers, self._header = {}, [b"", b""]

    def take_header_name(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's name."""
        self._header[0] += data[start:end]

    def take_header_value(self, data: bytes, start: int, end: int) -> None:
        """A piece of a header's value."""
        self._header[1] += data[start:end]

    def end_header(self) -> None:
        """One header is whole."""
        self._headers[self._header[0].lower()] = self._header[1]
        self._header = [b"", b""]

    def end_headers(self) -> None:
        """All headers of a part: is it the image?"""
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", "replace")
        self.names.append(name)
        self._taking = name == FIELD and self.image is None
        if self._taking:
            declared, _ = parse_options_header(self._headers.get(b"content-type", b""))
            check_media_type(declared.decode("latin-1").strip().lower())
            self.image = bytearray()

    def take_data(self, data: bytes, start: int, end: int) -> None:
        """A piece of a part's body."""
        if self._taking and self.image is not None:
            self.image += data[start:end]

    def end_part(self) -> None:
        """The part is whole."""
        self.complete = self.complete or self._taking
        self._taking = False
