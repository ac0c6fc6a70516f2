"""What a process remembers beside the sealed results: which it has opened already, whom it knows, what was given up."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from cds_service.assessments.store import Store
from cds_service.assessments.task import Checked

OPENED = 200  # results kept open at most
NOTED = 5_000  # marks kept at most
NOTED_S = 24 * 3600.0


class Decoded:
    """Results opened and read once. One counts for as long as the store holds the very bytes it was read from."""

    def __init__(self, store: Store, most: int = OPENED) -> None:
        self._store, self._most = store, most
        self._open: OrderedDict[str, tuple[bytes, Checked]] = OrderedDict()  # least recently used first

    def get(self, key: str) -> Checked | None:
        """The result of a key as it is kept; None when the store does not hold it, or no longer."""
        sealed = self._store.holds(key)
        if sealed is None:
            self._open.pop(key, None)
            return None
        kept = self._open.get(key)
        if kept is not None and kept[0] is sealed:
            self._open.move_to_end(key)
            return kept[1]
        return self._read(key, sealed)

    def _read(self, key: str, sealed: bytes) -> Checked | None:
        plain = self._store.held(key)
        if plain is None:
            return None
        checked = msgspec.msgpack.decode(plain, type=Checked)
        self._open[key] = (sealed, checked)
        if len(self._open) > self._most:
            self._open.popitem(last=False)
        return checked


class Recent:
    """Marks with a word each, for a while. Bounded: the oldest go first. ``clock`` in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, most: int = NOTED) -> None:
        self._clock, self._most = clock, most
        self._until: OrderedDict[str, tuple[float, str]] = OrderedDict()

    def note(self, mark: str, why: str = "", seconds: float = NOTED_S) -> None:
        """Remember a mark."""
        self._until[mark] = (self._clock() + seconds, why)
        self._until.move_to_end(mark)
        if len(self._until) > self._most:
            self._until.popitem(last=False)

    def why(self, mark: str) -> str | None:
        """The word of a mark; None when it is not remembered, or no longer."""
        found = self._until.get(mark)
        if found is None:
            return None
        if found[0] <= self._clock():
            del self._until[mark]
            return None
        return found[1]
