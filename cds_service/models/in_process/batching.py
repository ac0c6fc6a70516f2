"""Which waiting requests run together, and which join those under way: waiting clinicians first, then in order of arrival, as
many as memory is given for."""

from __future__ import annotations

import queue
import threading
import time

from cds_service.models.in_process.wire import Ask

TOKENS = 65_536  # prompt and answer tokens of one batch, padding included, by a rough count of characters
CHARACTERS_PER_TOKEN = 3.0


class Waiting:
    """Requests between the reader of the pipe and the model. ``put`` and ``cancel`` are called by the reader's thread."""

    def __init__(self, *, max_batch: int, window_ms: float) -> None:
        self._arrived: queue.SimpleQueue[Ask | None] = queue.SimpleQueue()
        self._held: list[Ask] = []
        self._cancelled: set[int] = set()
        self._joined: list[int] = []
        self._lock = threading.Lock()
        self._max = max_batch
        self._window_s = window_ms / 1000
        self.closed = False

    def put(self, ask: Ask) -> None:
        """A new request."""
        self._arrived.put(ask)

    def close(self) -> None:
        """No more will come."""
        self.closed = True
        self._arrived.put(None)

    def narrow(self, most: int) -> None:
        """No more than so many run together from now on: more did not fit memory."""
        self._max = max(min(self._max, most), 1)

    def cancel(self, key: int) -> None:
        """Nobody waits for this one: it is not started, and stopped at its next step if it runs."""
        with self._lock:
            self._cancelled.add(key)

    def cancelled(self, key: int) -> bool:
        """Whether it was cancelled."""
        return key in self._cancelled

    def forget(self, keys: list[int]) -> None:
        """These are over, and those that joined them."""
        with self._lock:
            self._cancelled.difference_update(keys, self._joined)
        self._joined.clear()

    def batch(self) -> list[Ask]:
        """The next requests to run together; waits for the first, and a few milliseconds for company. [] at the end."""
        self._drain(block=not self._held)
        deadline = time.monotonic() + self._window_s
        while len(self._held) < self._max and (left := deadline - time.monotonic()) > 0 and not self.closed:
            try:
                self._hold(self._arrived.get(timeout=left))
            except queue.Empty:
                break
        return self._chosen([])

    def joining(self, live: list[Ask]) -> list[Ask]:
        """What joins these requests between two steps; never waits. Warm-up waits while a clinician's answer is made."""
        self._drain(block=False)
        chosen = self._chosen(live) if self._held else []
        self._joined += [ask.id for ask in chosen]
        return chosen

    def _chosen(self, live: list[Ask]) -> list[Ask]:
        gone = [ask.id for ask in self._held if self.cancelled(ask.id)]
        self._held = [ask for ask in self._held if ask.id not in gone]
        with self._lock:
            self._cancelled.difference_update(gone)
        self._held.sort(key=lambda ask: not ask.waiting)  # stable: arrival within each class
        chosen = self._held[: self._fitting(live)]
        self._held = self._held[len(chosen) :]
        return chosen

    def _drain(self, *, block: bool) -> None:
        if block and not self.closed:
            self._hold(self._arrived.get())
        while not self._arrived.empty():
            self._hold(self._arrived.get())

    def _hold(self, ask: Ask | None) -> None:
        if ask is not None:
            self._held.append(ask)

    def _fitting(self, live: list[Ask]) -> int:
        """How many of those held run beside ``live``; at least one where nothing does."""
        longest = max((size(ask) for ask in live), default=0.0)
        urgent = any(ask.waiting for ask in live)
        for count, ask in enumerate(self._held):
            longest, together = max(longest, size(ask)), len(live) + count + 1
            if together > self._max or (together > 1 and longest * together > TOKENS) or (urgent and not ask.waiting):
                return count
        return len(self._held)


def size(ask: Ask) -> float:
    """Tokens a request may come to, roughly."""
    return len(ask.prompt) / CHARACTERS_PER_TOKEN + 260 * len(ask.images) + (0 if ask.labels else ask.max_tokens)
