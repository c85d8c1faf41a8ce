"""How an image is sent, for the OpenAPI document: raw, or as a field of a form."""

from typing import Any

from app.errors import (
    BodyTooLarge,
    ImageTooLarge,
    ImageUndecodable,
    InvalidValue,
    MediaTypeUnsupported,
    ModelNotFound,
    NotSupported,
    Overloaded,
    UploadTooSlow,
    WeightsNotFound,
    WeightsNotReady,
)
from app.uploads import FIELD, IMAGE_TYPES, MULTIPART

IMAGE = {"type": "string", "format": "binary", "description": "The image's bytes."}

FORM = {
    "type": "object",
    "required": [FIELD],
    "properties": {FIELD: IMAGE},
}

IMAGE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "The image itself, or a form with the field `image`. The bytes decide what it is.",
        "content": {media_type: {"schema": IMAGE} for media_type in (*IMAGE_TYPES, "application/octet-stream")}
        | {MULTIPART: {"schema": FORM}},
    }
}

REFUSALS = (
    ModelNotFound,
    WeightsNotFound,
    WeightsNotReady,
    NotSupported,
    BodyTooLarge,
    ImageTooLarge,
    MediaTypeUnsupported,
    ImageUndecodable,
    InvalidValue,
    UploadTooSlow,
    Overloaded,
)
