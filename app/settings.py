"""Every setting with its name, default and help: environment variables `CONVSCOPE_*`, or flags of `serve`."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from app.errors import InvalidValue
from app.places import at_home, default_cache

MIB = 1024 * 1024


class Settings(BaseSettings):
    """The service's settings; a test fails if one has no description."""

    model_config = SettingsConfigDict(env_prefix="CONVSCOPE_", extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on.")
    root_path: str = Field("", description="Path prefix under which a reverse proxy serves the application.")
    ssl_certfile: Path | None = Field(None, description="Certificate (PEM), to serve HTTPS without a proxy.")
    ssl_keyfile: Path | None = Field(None, description="The certificate's private key (PEM).")
    cache_dir: Path = Field(
        default_cache(),
        description="Folder for unpacked weights; made when missing, safe to delete.",
    )
    pull_urls: str = Field(
        "https://huggingface.co/onnxmodelzoo",
        pattern=r"^(https?://[^\s,]+(\s*,\s*https?://[^\s,]+)*)?$",
        description="Base URLs of the weights that `convscope pull` fetches, comma separated, tried in order.",
    )
    pull_allowed: Literal["machine", "anyone", "nobody"] = Field(
        "machine",
        description="Who may pull over REST and the page: machine (loopback, no proxy between), anyone or nobody.",
    )
    onnx: Path | None = Field(None, description="An ONNX file of your own to serve beside the five networks.")
    manifest: Path | None = Field(None, description="The manifest of that file: labels, preprocessing, title.")
    token: str = Field(
        "",
        repr=False,
        description="Bearer token that everything but the health checks asks for; none when empty. Give it in the "
        "environment: flags can be read by other users of the machine.",
    )

    @field_validator("token")
    @classmethod
    def _without_line_end(cls, token: str) -> str:
        """A token comes out of a file as often as not, and with the line's end."""
        if token and not token.strip():
            raise ValueError("it is made of white space alone; leave it out where no token is asked for")
        return token.strip()

    salt: str = Field(
        "",
        repr=False,
        description="Keeps run ids from being guessed from images; the same for all replicas. Made once in the cache "
        "folder when empty.",
    )
    cors_origins: str = Field(
        "", description="Origins whose pages may call the API, comma separated, or *; none when empty."
    )
    max_body_bytes: int = Field(20 * MIB, ge=1, description="Largest request body, in bytes.")
    upload_bytes: int = Field(
        256 * MIB, ge=1, description="Most bytes of request bodies held at once, all requests together; more get 503."
    )
    answer_bytes: int = Field(
        512 * MIB,
        ge=1,
        description="Most bytes of arrays in answers (tensors of runs and of the inference protocol) that are "
        "computed or sent at once; more get 503.",
    )
    max_pixels: int = Field(50_000_000, ge=1, description="Most pixels of an uploaded image, from its header.")
    cache_bytes: int = Field(
        1024 * MIB, ge=0, description="Budget for derived data (activations, pictures), in bytes."
    )
    runs: str = Field(
        "",
        repr=False,
        pattern="^$|^(redis|rediss|unix)://",
        description="Where run records are kept: redis://host:6379/0 for replicas that share them; in memory when "
        "empty.",
    )
    runs_bytes: int = Field(256 * MIB, ge=1, description="Budget for run records (the uploads), in bytes.")
    run_ttl_seconds: int = Field(24 * 3600, ge=1, description="How long a run and its upload are kept, in seconds.")
    threads: int = Field(
        0, ge=0, description="Threads of one inference at most; 0 takes every core, where a network is large enough."
    )
    concurrency: int = Field(2, ge=1, description="Inferences at the same time.")
    queue: int = Field(
        64, ge=0, description="Inferences of one network that may wait for a place; more are answered 503."
    )
    body_seconds: float = Field(
        60,
        gt=0,
        description="Longest time that the head of a request, then its body, may take to arrive, in seconds.",
    )
    send_seconds: float = Field(
        60, gt=0, description="Longest time a client may take next to nothing of an answer, in seconds."
    )
    keep_alive_seconds: int = Field(
        75,
        ge=1,
        description="How long an idle connection is kept open, in seconds; longer than clients and proxies keep "
        "theirs (commonly up to 60), or one that asks just as it closes gets no answer.",
    )
    provider: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        "auto",
        description="Execution provider: cpu, cuda, tensorrt, or auto (CUDA where a GPU and its libraries are).",
    )
    log_format: Literal["text", "json"] = Field("text", description="Form of the log's lines: text or json.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log line shown: debug, info, warning or error."
    )

    @model_validator(mode="before")
    @classmethod
    def _without_what_is_empty(cls, given: dict[str, Any]) -> dict[str, Any]:
        """What is empty counts as not given, as an unset variable of a compose file is; but a text may be empty."""
        texts = {name for name, field in cls.model_fields.items() if field.annotation is str}
        return {name: value for name, value in given.items() if value != "" or name in texts}

    @field_validator("cache_dir", "ssl_certfile", "ssl_keyfile", "onnx", "manifest")
    @classmethod
    def _as_a_shell_would(cls, path: Path | None) -> Path | None:
        return None if path is None else at_home(path)

    @field_validator("manifest")
    @classmethod
    def _of_a_file(cls, manifest: Path | None, info: ValidationInfo) -> Path | None:
        if manifest is not None and info.data.get("onnx") is None:
            raise ValueError("it tells of an ONNX file of your own; name that too, as --onnx or CONVSCOPE_ONNX")
        return manifest

    @field_validator("root_path")
    @classmethod
    def _from_the_root(cls, path: str) -> str:
        return f"/{path.strip('/')}" if path.strip("/") else ""

    @field_validator("provider", "pull_allowed", "log_format", "log_level", mode="before")
    @classmethod
    def _in_small_letters(cls, word: Any) -> Any:
        return word.lower() if isinstance(word, str) else word


def read_settings(**given: Any) -> Settings:
    """What is given over the environment over the defaults.

    Raises:
        InvalidValue: names the flag or the variable that is wrong, with its value.
    """
    try:
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        origin = f"--{name.replace('_', '-')}" if name in given else f"CONVSCOPE_{name.upper()}"
        told = first["msg"].removeprefix("Value error, ")
        raise InvalidValue(f"{origin} is {first['input']!r}: {told}.", first["input"]) from error
