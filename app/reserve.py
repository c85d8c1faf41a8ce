"""Memory for the activations of runs, touched before it is needed.

A process gets new memory page by page, each at its first touch. For the 36 MB that ResNet-34 keeps of a run this
takes 20 ms of processor time; on a virtual machine, whose host has to find the pages first, up to 200: more than
computing what is written there. So one block stands ready: that of a run which has fallen out of the cache, or one
that is touched while nothing else is done.
"""

import mmap
import threading
import time
import weakref
from collections import deque

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]

QUIET = 1.0  # a block is touched after so many seconds without a run: until then its maps are drawn and looked at
SLICE = 1024 * 1024  # bytes touched at a time, so that a run that begins hardly waits


class Block:
    """What the arrays of one run show, directly or through views; numpy keeps it alive as long as one of them is."""

    def __init__(self, memory: Bytes) -> None:
        self.__array_interface__ = memory.__array_interface__


class Reserve:
    """Hands out blocks of memory, and keeps at most one ready: of the size that was wanted last."""

    def __init__(self, quiet: float = QUIET) -> None:
        self.quiet = quiet
        self._spare: deque[Bytes] = deque(maxlen=1)  # its appending and popping need no lock, also while rubbish goes
        self._wanted = 0  # bytes of the block that stands ready, or is being made so
        self._turn: threading.Event | None = None  # ends the touching in progress

    def take(self, nbytes: int) -> Bytes:
        """A block of so many bytes, whatever is in them; it comes back by itself when no array shows it any more."""
        self._interrupt()
        self._wanted = nbytes
        memory = self._ready()
        if memory is None or memory.nbytes != nbytes:
            memory = np.empty(nbytes, np.uint8)
        block = Block(memory)
        weakref.finalize(block, self._take_back, memory).atexit = False
        return np.asarray(block)

    def prepare(self, nbytes: int) -> None:
        """Have a block of so many bytes ready, once nothing has been asked of the reserve for a while."""
        self._interrupt()
        self._wanted = nbytes
        if self.holds(nbytes):
            return
        self._turn = threading.Event()
        threading.Thread(target=self._touch, args=(nbytes, self._turn), name="reserve", daemon=True).start()

    def holds(self, nbytes: int) -> bool:
        """Whether a block of that size stands ready."""
        return any(memory.nbytes == nbytes for memory in tuple(self._spare))

    def _ready(self) -> Bytes | None:
        try:
            return self._spare.pop()
        except IndexError:
            return None

    def _interrupt(self) -> None:
        if self._turn is not None:
            self._turn.set()

    def _take_back(self, memory: Bytes) -> None:
        if memory.nbytes == self._wanted:
            self._spare.append(memory)

    def _touch(self, nbytes: int, ended: threading.Event) -> None:
        if ended.wait(self.quiet) or self.holds(nbytes):
            return
        memory = np.empty(nbytes, np.uint8)
        for start in range(0, nbytes, SLICE):
            memory[start : start + SLICE : mmap.PAGESIZE] = 0
            time.sleep(0)  # lets others go on
            if ended.is_set():
                return
        self._take_back(memory)


RESERVE = Reserve()  # one a process: it is the process that gets the pages
