"""The image in a request: raw or in a form, bounded, whatever pieces it comes in."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.types import Message

from app.errors import BodyTooLarge, ConvscopeError, ImageUndecodable, InvalidValue, MediaTypeUnsupported
from app.uploads import IMAGE_TYPES, MOST_PARTS, read_upload

LIMIT = 10_000
FORM_TYPE = "multipart/form-data; boundary=frontier"


def upload(body: bytes, media_type: str | None, pieces: int = 1, **headers: str) -> bytes:
    """What is read of a request with this body, delivered in pieces."""
    step = max(1, -(-len(body) // pieces))
    messages: list[Message] = [
        {"type": "http.request", "body": body[start : start + step], "more_body": True}
        for start in range(0, len(body), step)
    ]
    messages.append({"type": "http.request", "body": b"", "more_body": False})
    return asyncio.run(read(messages, media_type, headers))


async def read(messages: list[Message], media_type: str | None, headers: dict[str, str]) -> bytes:
    async def receive() -> Message:
        return messages.pop(0)

    given_headers = {"content-type": media_type, **headers} if media_type is not None else headers
    scope = {
        "type": "http",
        "method": "POST",
        "headers": [(name.encode(), value.encode()) for name, value in given_headers.items()],
    }
    return await read_upload(Request(scope, receive), LIMIT)


def part(name: str, body: bytes, headers: str = "") -> bytes:
    return f'--frontier\r\nContent-Disposition: form-data; name="{name}"{headers}\r\n\r\n'.encode() + body + b"\r\n"


END = b"--frontier--\r\n"


@pytest.mark.parametrize(
    "media_type",
    [*IMAGE_TYPES, "image/jpg", "image/*", "application/octet-stream", "IMAGE/PNG; charset=binary", None, ""],
)
def test_images_and_plain_bytes_are_taken(media_type: str | None) -> None:
    assert upload(b"bytes", media_type) == b"bytes"


@pytest.mark.parametrize(
    ("media_type", "hint"),
    [
        ("text/plain", "declared as text/plain"),
        ("application/json", "declared as application/json"),
        ("application/x-www-form-urlencoded", "curl --data-binary"),
        ("image/svg+xml", "image/svg"),
        ("image/heic", "convert the image to JPEG or PNG"),
        ("image/heif; q=1", "convert the image to JPEG or PNG"),
    ],
)
def test_other_media_types_are_refused(media_type: str, hint: str) -> None:
    with pytest.raises(MediaTypeUnsupported, match=hint):
        upload(b"bytes", media_type)
    with pytest.raises(MediaTypeUnsupported, match=hint):
        upload(part("image", b"bytes", f"\r\nContent-Type: {media_type}") + END, FORM_TYPE)


@given(st.binary(max_size=3000), st.integers(1, 50))
def test_a_form_gives_its_image_in_whatever_pieces_it_comes(image: bytes, pieces: int) -> None:
    body = part("note", b"hello") + part("image", image, '; filename="a.png"\r\nContent-Type: image/png') + END
    assert upload(body, FORM_TYPE, pieces) == image


def test_a_part_without_file_name_is_taken_and_the_first_image_wins() -> None:
    assert upload(part("image", b"\xff\xd8first") + part("image", b"second") + END, FORM_TYPE) == b"\xff\xd8first"


@pytest.mark.parametrize(
    ("body", "media_type", "kind", "hint"),
    [
        (part("file", b"x") + END, FORM_TYPE, InvalidValue, "no field 'image'; it has: file"),
        (END, FORM_TYPE, InvalidValue, "it has: none"),
        (b"", FORM_TYPE, InvalidValue, "no field 'image'"),
        (b"nonsense", FORM_TYPE, InvalidValue, "broken"),
        (part("image", b"x") + END, "multipart/form-data", InvalidValue, "boundary"),
        (part("a", b"") * (MOST_PARTS + 1) + END, FORM_TYPE, InvalidValue, f"more than {MOST_PARTS} parts"),
        (part("image", b"cut off")[:-2], FORM_TYPE, ImageUndecodable, "ends inside the image"),
    ],
)
def test_broken_forms(body: bytes, media_type: str, kind: type[ConvscopeError], hint: str) -> None:
    with pytest.raises(kind, match=hint):
        upload(body, media_type)


@given(st.binary(max_size=600))
def test_random_forms_raise_only_our_errors(body: bytes) -> None:
    try:
        upload(b"--frontier" + body, FORM_TYPE)
    except ConvscopeError as error:
        assert 400 <= error.status < 500


def test_the_limit_by_content_length_is_known_before_reading() -> None:
    def never() -> Callable[[], None]:
        raise AssertionError("the body was read")

    async def receive() -> Message:
        never()
        return {}

    headers = [(b"content-type", b"image/png"), (b"content-length", b"10001")]
    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    with pytest.raises(BodyTooLarge, match="10001 bytes or more; the limit is 10000"):
        asyncio.run(read_upload(request, LIMIT))


@pytest.mark.parametrize("media_type", ["image/png", FORM_TYPE])
def test_the_limit_without_content_length_is_known_before_the_end(media_type: str) -> None:
    body = part("image", bytes(50_000)) + END
    messages: list[Message] = [
        {"type": "http.request", "body": body[start : start + 1000], "more_body": True}
        for start in range(0, len(body), 1000)
    ]
    whole = len(messages)
    with pytest.raises(BodyTooLarge):
        asyncio.run(read(messages, media_type, {}))
    assert len(messages) == whole - 11  # 11,000 bytes were read of 50,000


def test_an_upload_that_ends_early() -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"abc", "more_body": True},
        {"type": "http.disconnect"},
    ]
    with pytest.raises(ImageUndecodable, match="ended before"):
        asyncio.run(read(messages, "image/png", {}))
