"""Rows that the database did not take, as JSON lines in the state folder until it does. Append-only, bounded, no PHI.

Each process appends to a file of its own, locked while it lives. Files left by processes that died are taken over. A
line that was already stored is stored again without effect (every insert ignores a known key), so a crash in the
middle of a replay loses and doubles nothing. Lines survive the end of the process; they are not synced to disk one
by one.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Lock
from typing import Any
from uuid import uuid4

import msgspec

LIMIT_BYTES = 64 * 1024 * 1024
_CHUNK = 500
_SUFFIX = ".jsonl"

Row = dict[str, Any]
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(tuple[str, Row]).decode


class Spool:
    """One process's spool. ``append`` may be called from any thread."""

    def __init__(self, folder: Path, limit: int = LIMIT_BYTES, name: str = "") -> None:
        self._folder = folder
        self._limit = limit
        self._name = name or uuid4().hex
        self._lock = Lock()
        self._handle = -1
        self._torn = False
        self._size = sum(path.stat().st_size for path in self._waiting())
        self.failed = False  # a row was refused (limit or full disk) and the spool has not been emptied since

    @property
    def size(self) -> int:
        """Bytes waiting, of this process and of those it took over."""
        return self._size

    def append(self, rows: Sequence[tuple[str, Row]]) -> int:
        """Keep the rows; how many of them, in order, the limit and the disk allowed (0 when the disk refuses)."""
        lines = [_encode(row) + b"\n" for row in rows]
        with self._lock:
            fitting, kept = self._limit - self._size, 0
            while kept < len(lines) and len(lines[kept]) <= fitting:
                fitting -= len(lines[kept])
                kept += 1
            if kept and not self._write(b"".join(lines[:kept])):
                kept = 0
            self._size += sum(map(len, lines[:kept]))
            self.failed = self.failed or kept < len(lines)
            return kept

    def relieved(self) -> None:
        """The database takes rows again: nothing waits, so nothing is in danger."""
        if not self._size:
            self.failed = False

    def replay(self, store: Callable[[list[tuple[str, Row]]], None]) -> int:
        """Hand all waiting rows to ``store`` in chunks and remove each file once its rows are stored; how many rows.

        What ``store`` raises stops the replay; the file stays and is read again next time.
        """
        with self._lock:
            self._set_aside()
        stored = 0
        for path in self._waiting():
            for chunk in _chunks(path):
                store(chunk)
                stored += len(chunk)
            path.unlink(missing_ok=True)
        with self._lock:
            self._size = sum(
                path.stat().st_size for path in [*self._waiting(), *self._folder.glob(f"{self._name}{_SUFFIX}")]
            )
            self.failed = False
        return stored

    def close(self) -> None:
        """Let go of the file; the next process takes it over."""
        with self._lock:
            self._release()

    def _write(self, lines: bytes) -> bool:
        if self._torn:
            lines = b"\n" + lines  # ends the line that a full disk cut
        try:
            if self._handle < 0:
                self._open()
            self._torn = os.write(self._handle, lines) < len(lines)
        except OSError:
            self._torn = True
        return not self._torn

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._handle = os.open(self._folder / f"{self._name}{_SUFFIX}", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        fcntl.flock(self._handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _release(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1

    def _set_aside(self) -> None:
        """The current file gets a name nobody appends to, so that it can be read to its end and removed."""
        if self._handle >= 0:
            current = self._folder / f"{self._name}{_SUFFIX}"
            current.rename(self._folder / f"{self._name}-{uuid4().hex[:8]}{_SUFFIX}")
            self._release()

    def _waiting(self) -> list[Path]:
        """Files to replay: set aside by us, or left behind by a process that no longer holds its lock. Oldest first."""
        if not self._folder.is_dir():
            return []
        found = [path for path in self._folder.glob(f"*{_SUFFIX}") if path.stem != self._name and _unlocked(path)]
        return sorted(found, key=lambda path: path.stat().st_mtime)


def _unlocked(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _chunks(path: Path) -> Iterator[list[tuple[str, Row]]]:
    """Rows of a file; a line cut by a crash or a full disk is passed over."""
    chunk: list[tuple[str, Row]] = []
    with path.open("rb") as file:
        for line in file:
            try:
                chunk.append(_decode(line))
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                continue
            if len(chunk) == _CHUNK:
                yield chunk
                chunk = []
    if chunk:
        yield chunk
