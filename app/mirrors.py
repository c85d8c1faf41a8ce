"""A large file from one of several mirrors into its place: resumed after a break, known by its digest, shared.

While it comes it lies beside its place as `.NAME.partial`, which outlives a break, a stop and a crash: the next pull
goes on where it ends (RFC 9110, section 14). Whose bytes those are does not matter, since the digest of the whole
decides. A lock lets one process write; the others wait for the same file.
"""

import errno
import hashlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import httpx
from filelock import FileLock, Timeout

from app.errors import PullCancelled, PullFailed, WeightsUnwritable
from app.manifest import Pulled
from app.transfer import Transfer
from app.version import VERSION
from app.weights import is_verified, locked_by, place, stamp, unwritable

TRIES = 4  # in a row without a new byte, then the next mirror
TIMEOUT = httpx.Timeout(20, connect=10)  # seconds without a byte
PATIENCE = 30  # seconds that a server may ask to wait


class MirrorFailed(Exception):
    """One mirror does not give the file; the reason is half a sentence."""


class Interrupted(Exception):
    """The mirror broke off or is busy; another try may go on."""

    def __init__(self, reason: str, wait: float = 0) -> None:
        super().__init__(reason)
        self.wait = wait


def pull(origin: Pulled, cache_dir: Path, bases: Sequence[str], transfer: Transfer) -> Path:
    """The file in its place below `cache_dir`, fetched now unless it is there.

    Args:
        origin: path, size and digest of the file.
        cache_dir: the cache folder.
        bases: base URLs, tried in order.
        transfer: told how far it is; stops the pull when somebody cancels it.

    Raises:
        PullFailed: no mirror gave the right file.
        PullCancelled: `transfer` was cancelled.
        WeightsUnwritable: the folder cannot be written, or the disk is full.
    """
    path = place(cache_dir, origin)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with alone(path, transfer):
            if not is_verified(path, origin.sha256):
                receive(origin, path, bases, transfer)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            partial(path).unlink(missing_ok=True)  # so that the disk is not left full
        raise unwritable(path, error) from error
    transfer.moved(origin.bytes)
    return path


def partial(path: Path) -> Path:
    """Where a file lies while it comes."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def alone(path: Path, transfer: Transfer) -> Iterator[None]:
    """Holds the file's lock while the block runs; while another process has it, follows how far that one is."""
    lock = FileLock(locked_by(path))
    while True:
        try:
            lock.acquire(timeout=0.3, poll_interval=0.05)
            break
        except Timeout:
            transfer.state = "waiting"
            transfer.moved(size_of(partial(path)))
            refuse_cancelled(transfer)
    try:
        yield
    finally:
        lock.release()


def receive(origin: Pulled, path: Path, bases: Sequence[str], transfer: Transfer) -> None:
    """Try the mirrors in order; the first that gives the right file ends it."""
    transfer.state = "pulling"
    missing = origin.bytes - size_of(partial(path))
    free = shutil.disk_usage(path.parent).free
    if missing > free:
        raise WeightsUnwritable(
            f"{origin.file} needs {missing:,} more bytes in {path.parent}, where {free:,} are free. Free some space, "
            "or choose another folder with CONVSCOPE_CACHE_DIR.",
            str(path),
        )
    reasons = []
    with (
        httpx.Client(timeout=TIMEOUT, follow_redirects=True, headers=HEADERS) as client,
        partial(path).open("a+b") as file,
    ):
        part = Part(file, transfer)
        for base in bases:
            url = f"{base.strip().rstrip('/')}/{origin.path}"
            try:
                receive_from(client, url, origin, part)
            except MirrorFailed as error:
                reasons.append(f"{without_credentials(url)} {error}")
                continue
            os.fsync(file.fileno())
            partial(path).replace(path)
            stamp(path, origin.sha256)
            return
        kept = part.size
    if not kept:
        partial(path).unlink(missing_ok=True)
    again = f" {kept:,} of {origin.bytes:,} bytes are kept; the next try goes on from there." if kept else ""
    told = "; ".join(reasons) or "no base URL is set"
    raise PullFailed(f"{origin.file} could not be fetched: {told}.{again} {ADVICE}", origin.path)


def without_credentials(url: str) -> str:
    """A URL as everybody may read it: `pulls` tells anybody why one failed, and a mirror may ask for a password."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    return f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"


ADVICE = "Check the network, or name other mirrors with CONVSCOPE_PULL_URLS."
HEADERS = {"User-Agent": f"convscope/{VERSION}", "Accept-Encoding": "identity"}


class Part:
    """The bytes that have come so far, and their digest."""

    def __init__(self, file: IO[bytes], transfer: Transfer) -> None:
        self.file, self.transfer = file, transfer
        self.size, self._digest = 0, hashlib.sha256()
        file.seek(0)
        while chunk := file.read(1 << 20):
            self._digest.update(chunk)
            self.size += len(chunk)
        transfer.moved(self.size)

    def write(self, chunk: bytes) -> None:
        """Add what came."""
        self.file.write(chunk)
        self.file.flush()  # a process that is killed keeps it, and those that wait see it
        self._digest.update(chunk)
        self.size += len(chunk)
        self.transfer.moved(self.size)

    def restart(self) -> None:
        """Throw away what has come."""
        self.file.seek(0)
        self.file.truncate()
        self.size, self._digest = 0, hashlib.sha256()
        self.transfer.moved(0)

    @property
    def sha256(self) -> str:
        """The digest of what has come."""
        return self._digest.hexdigest()


def receive_from(client: httpx.Client, url: str, origin: Pulled, part: Part) -> None:
    """One mirror until `part` is whole and right, going on after every break that follows a new byte.

    Raises:
        MirrorFailed: it has not the file, has another one, or gives no more of it.
    """
    mixed = part.size > 0  # bytes of an earlier try, perhaps of another mirror
    best, idle, reasons = part.size, 0, list[str]()
    while True:
        while part.size < origin.bytes:
            refuse_cancelled(part.transfer)
            try:
                request(client, url, origin, part)
                reason, wait = f"ends after {part.size:,} of {origin.bytes:,} bytes", 0.0
            except Interrupted as error:
                reason, wait = str(error), error.wait
            if part.size < origin.bytes:
                if part.size > best:
                    best, idle, reasons = part.size, 0, [reason]
                else:
                    idle, reasons = idle + 1, [*reasons, reason]
                if idle >= TRIES:
                    raise MirrorFailed(", then ".join(dict.fromkeys(reasons)))
                pause(part.transfer, wait or (0.25 * 2**idle if idle else 0))
        part.transfer.state = "checking"
        if part.sha256 == origin.sha256:
            return
        found = part.sha256
        part.restart()
        if not mixed:
            raise MirrorFailed(f"has another file: its digest is {found}, not {origin.sha256}")
        mixed, best, idle, reasons = False, 0, 0, []  # what was kept may have been wrong: all of it from this mirror
        part.transfer.state = "pulling"


def request(client: httpx.Client, url: str, origin: Pulled, part: Part) -> None:
    """One request for what is missing; returns when the answer ends, whole or not.

    Raises:
        MirrorFailed: the answer cannot be the file.
        Interrupted: it broke off.
    """
    headers = {"Range": f"bytes={part.size}-"} if part.size else {}
    try:
        with client.stream("GET", url, headers=headers) as answer:
            judge(answer, origin, part)
            for chunk in answer.iter_raw():  # as they come: in larger chunks a break would lose what is buffered
                if part.size + len(chunk) > origin.bytes:
                    part.restart()
                    raise MirrorFailed(f"gives more than {origin.bytes:,} bytes: it has another file")
                part.write(chunk)
                refuse_cancelled(part.transfer)
    except (httpx.UnsupportedProtocol, httpx.TooManyRedirects, httpx.InvalidURL) as error:
        raise MirrorFailed(f"cannot be asked: {error}") from error
    except httpx.TimeoutException as error:
        raise Interrupted("gave no byte for a while") from error
    except httpx.ConnectError as error:
        raise Interrupted(f"cannot be reached: {error}") from error
    except httpx.HTTPError as error:
        raise Interrupted(f"broke off after {part.size:,} of {origin.bytes:,} bytes: {error}") from error


def judge(answer: httpx.Response, origin: Pulled, part: Part) -> None:
    """Whether the answer's head promises the missing bytes; `part` starts again where the answer does.

    Raises:
        MirrorFailed, Interrupted: as `request` does.
    """
    status = answer.status_code
    if status in (408, 425, 429) or status >= 500:
        asked = answer.headers.get("Retry-After", "")
        raise Interrupted(f"answers with status {status}", min(float(asked), PATIENCE) if asked.isdigit() else 0)
    if status == 416:  # what is kept cannot be continued there
        part.restart()
        raise Interrupted("does not continue the file")
    if status == 206:
        promised = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", answer.headers.get("Content-Range", ""))
        if promised is None or int(promised[1]) != part.size:
            part.restart()
            raise Interrupted("continues the file somewhere else")
        total = promised[2]
    elif status == 200:
        if part.size:
            part.restart()
        total = answer.headers.get("Content-Length", "*")
    else:
        reasons = {404: "has no such file (404)", 410: "has no such file any more (410)"}
        raise MirrorFailed(reasons.get(status, f"answers with status {status}"))
    if total not in ("*", str(origin.bytes)):
        raise MirrorFailed(f"has another file: it says {int(total):,} bytes, {origin.bytes:,} are right")


def refuse_cancelled(transfer: Transfer) -> None:
    """PullCancelled when somebody cancelled."""
    if transfer.cancelled.is_set():
        raise PullCancelled("The pull was stopped. What has come is kept; pull again to go on from there.")


def pause(transfer: Transfer, seconds: float) -> None:
    """Wait, unless somebody cancels."""
    if seconds:
        transfer.cancelled.wait(seconds)


def size_of(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
