"""One exception tree; `app.problems` maps it to HTTP once, at the edge.

Every message says what was wrong, with the value, and what to do about it.
"""

from typing import Any, ClassVar


class ConvscopeError(Exception):
    """Root of everything this package raises on purpose.

    `detail` is a sentence for a person; `value` is the offending value, so that a client can show it.
    """

    status: ClassVar[int] = 500
    type: ClassVar[str] = "internal"
    title: ClassVar[str] = "Something went wrong"

    def __init__(self, detail: str, value: Any = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.value = value
        self.extra = extra  # further members of the problem document (RFC 9457, section 3.2)


# --- images -----------------------------------------------------------------------------------------


class ImageUndecodable(ConvscopeError):
    """Not an image, truncated, or empty."""

    status, type, title = 422, "image-undecodable", "The image cannot be decoded"


class ImageTooLarge(ConvscopeError):
    """More pixels than the limit, read from the header before decoding."""

    status, type, title = 413, "image-too-large", "The image has too many pixels"


class BodyTooLarge(ConvscopeError):
    """More bytes than the limit; refused before the body is read whole."""

    status, type, title = 413, "body-too-large", "The request body is too large"


class UploadTooSlow(ConvscopeError):
    """The request's body took longer than the limit."""

    status, type, title = 408, "upload-too-slow", "The body came too slowly"


class MediaTypeUnsupported(ConvscopeError):
    """A declared media type that is no image this service reads."""

    status, type, title = 415, "media-type-unsupported", "The media type is not supported"


class Unauthorized(ConvscopeError):
    """The service asks for a bearer token, and the request has none or another."""

    status, type, title = 401, "unauthorized", "A token is needed"


# --- things that are not there ----------------------------------------------------------------------


class NotFound(ConvscopeError):
    """A name in the URL that does not exist; the message names it and what there is."""

    status, type, title = 404, "not-found", "Not found"


class ModelNotFound(NotFound):
    """No such network."""

    type, title = "model-not-found", "There is no such network"


class WeightsNotFound(NotFound):
    """The network has no such weights."""

    type, title = "weights-not-found", "The network has no such weights"


class TourNotFound(NotFound):
    """Nobody wrote a guided tour of this network."""

    type, title = "tour-not-found", "The network has no guided tour"


class LayerNotFound(NotFound):
    """The network has no such layer."""

    type, title = "layer-not-found", "The network has no such layer"


class UnitNotFound(NotFound):
    """The layer has no such channel or unit."""

    type, title = "unit-not-found", "The layer has no such unit"


class RunNotFound(NotFound):
    """Unknown, deleted or expired run."""

    type, title = "run-not-found", "There is no such run"


# --- requests that cannot be met as asked -----------------------------------------------------------


class InvalidValue(ConvscopeError):
    """A query parameter or argument out of range; the message names field, value and range."""

    status, type, title = 422, "invalid-value", "A value is out of range"


class WeightsNotReady(ConvscopeError):
    """The weights are not on this machine, or a structure without numbers was asked to run."""

    status, type, title = 409, "weights-not-ready", "The weights are not ready"

    def __init__(self, detail: str, value: Any = None, retry_after: int | None = None, **extra: Any) -> None:
        super().__init__(detail, value, **extra)
        self.retry_after = retry_after  # seconds, where the weights are being made


class NotExplainable(ConvscopeError):
    """The layer's operator has no unit explanation (its maps can still be seen)."""

    status, type, title = 409, "not-explainable", "This layer cannot be explained unit by unit"


class NotSupported(ConvscopeError):
    """The network cannot do what was asked, and the message says why."""

    status, type, title = 409, "not-supported", "This network cannot do that"


class Overloaded(ConvscopeError):
    """More work than the server holds; try again after `retry_after` seconds."""

    status, type, title = 503, "overloaded", "The server is busy"

    def __init__(self, detail: str, retry_after: int = 1) -> None:
        super().__init__(detail)
        self.retry_after = retry_after


class RunsUnavailable(ConvscopeError):
    """The store of runs cannot be reached; try again after `retry_after` seconds."""

    status, type, title = 503, "runs-unavailable", "The store of runs cannot be reached"
    retry_after: ClassVar[int] = 2


class NotReady(ConvscopeError):
    """The networks' files are still being made or verified; try again after `retry_after` seconds."""

    status, type, title = 503, "not-ready", "The service is not ready"
    retry_after: ClassVar[int] = 1


class WeightsUnwritable(ConvscopeError):
    """The weight file could not be made: no space, no permission, or numbers that differ from the digest."""

    status, type, title = 503, "weights-unwritable", "The weights could not be written"


# --- weights from elsewhere -------------------------------------------------------------------------------


class PullFailed(ConvscopeError):
    """No mirror gave the file: unreachable, not there, or not the right one; the message tells of each."""

    status, type, title = 502, "pull-failed", "The weights could not be fetched"


class PullCancelled(ConvscopeError):
    """Somebody stopped the pull; what has come so far is kept, and the next one goes on from there."""

    status, type, title = 409, "pull-cancelled", "The pull was stopped"


class PullNotAllowed(ConvscopeError):
    """Who asks may not make this server fetch weights; the message says how it is done instead."""

    status, type, title = 403, "pull-not-allowed", "Pulling weights is not allowed from here"


# --- files the operator gave --------------------------------------------------------------------------


class NetworkUnusable(ConvscopeError):
    """An ONNX file or manifest that cannot be served; raised at start, never by an upload."""

    type, title = "network-unusable", "The network cannot be served"
