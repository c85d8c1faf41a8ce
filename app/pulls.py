"""The pulls of one service: a file is fetched once, however many ask for it, and anybody may see how far it is."""

import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from app.errors import ConvscopeError, NotSupported, PullCancelled, PullFailed
from app.manifest import Pulled
from app.mirrors import partial, pull, size_of
from app.network import Network
from app.settings import Settings
from app.transfer import Transfer
from app.weights import place

log = logging.getLogger(__name__)

State = Literal["absent", "waiting", "pulling", "checking", "ready", "failed", "cancelled"]


@dataclass(eq=False)
class Job:
    """One pull in a thread of its own."""

    transfer: Transfer
    thread: threading.Thread | None = None
    error: ConvscopeError | None = None
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Progress:
    """How far one file is: bytes here, bytes in all, bytes a second and seconds left while it comes."""

    state: State
    done: int
    bytes: int
    rate: float = 0.0
    seconds_left: float | None = None
    error: str | None = None


def mirrors(settings: Settings) -> list[str]:
    """The base URLs of the settings, in order."""
    return [base.strip() for base in settings.pull_urls.split(",") if base.strip()]


def origin_of(network: Network) -> Pulled:
    """Where pulled weights come from.

    Raises:
        NotSupported: these weights are not fetched; they come with the package, or with the operator's file.
    """
    origin = network.weights.origin
    if not isinstance(origin, Pulled):
        others = [one.id for one in network.manifest.weights if isinstance(one.origin, Pulled)]
        instead = f" Pull weights '{others[0]}' instead." if others else " There is nothing to pull for this network."
        raise NotSupported(
            f"The weights '{network.weights_id}' of {network.id} are part of this installation.{instead}",
            network.weights_id,
        )
    return origin


class Pulls:
    """Starts, joins, tells of and stops pulls."""

    def __init__(self, settings: Settings) -> None:
        self.bases: Sequence[str] = mirrors(settings)
        self._jobs: dict[str, Job] = {}  # by digest
        self._lock = threading.Lock()

    def start(self, network: Network) -> Progress:
        """Begin to fetch the weights, or join the pull of them that runs already.

        Raises:
            NotSupported: as `origin_of` does.
        """
        origin = origin_of(network)
        with self._lock:
            job = self._jobs.get(origin.sha256)
            if not network.ready and (job is None or job.ended.is_set() or job.transfer.cancelled.is_set()):
                job = Job(Transfer(origin.bytes))
                job.transfer.moved(size_of(partial(place(network.cache_dir, origin))))
                job.thread = threading.Thread(
                    target=self._run, args=(job, origin, network.cache_dir), name=f"pull {network.id}", daemon=True
                )
                self._jobs[origin.sha256] = job
                job.thread.start()
        return self.progress(network)

    def progress(self, network: Network) -> Progress:
        """How far the weights are.

        Raises:
            NotSupported: as `origin_of` does.
        """
        origin = origin_of(network)
        job = self._jobs.get(origin.sha256)
        if network.ready:
            return Progress("ready", origin.bytes, origin.bytes)
        kept = min(size_of(partial(place(network.cache_dir, origin))), origin.bytes)
        if job is None or (job.ended.is_set() and job.error is None):
            return Progress("absent", kept, origin.bytes)  # never pulled, or cleared since
        if job.transfer.cancelled.is_set():
            return Progress("cancelled", kept, origin.bytes)
        if job.error is not None:
            return Progress("failed", kept, origin.bytes, error=job.error.detail)
        moving = job.transfer
        return Progress(moving.state, moving.done, origin.bytes, moving.rate, moving.seconds_left)

    def cancel(self, network: Network) -> Progress:
        """Stop the pull if one runs; what has come is kept.

        Raises:
            NotSupported: as `origin_of` does.
        """
        job = self._jobs.get(origin_of(network).sha256)
        if job is not None and not job.ended.is_set():
            job.transfer.cancelled.set()
        return self.progress(network)

    def stop(self) -> None:
        """Stop every pull, for the end of the service."""
        for job in list(self._jobs.values()):
            job.transfer.cancelled.set()

    def _run(self, job: Job, origin: Pulled, cache_dir: Path) -> None:
        try:
            pull(origin, cache_dir, self.bases, job.transfer)
            log.info("Pulled %s, %.1f MB.", origin.file, origin.bytes / 1e6)
        except PullCancelled as error:
            job.error = error
        except ConvscopeError as error:
            log.error("%s", error.detail)
            job.error = error
        except Exception:
            log.exception("The pull of %s failed.", origin.file)
            job.error = PullFailed(f"{origin.file} could not be fetched; the server's log says why.", origin.path)
        finally:
            job.ended.set()
