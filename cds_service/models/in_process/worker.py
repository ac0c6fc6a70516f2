"""``python -m cds_service.models.in_process.worker``: holds the model, reads requests on stdin, answers on stdout.

One thread reads, and counts tokens when asked to; one runs the model. Nothing of a prompt or an answer is written anywhere
but to the pipe: standard error belongs to the libraries, and messages of faults hold kinds, not texts.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterable
from typing import BinaryIO

from cds_service.models.in_process import wire
from cds_service.models.in_process.batching import Waiting
from cds_service.models.in_process.loading import CannotLoad, Loaded, load
from cds_service.models.in_process.wire import Ask, Cancel, Count, Counted, Failed, FromWorker, Load

GPU_LOST = 3  # exit code: the device is gone, and only a new process gets it back
BROKEN = 4  # exit code: a fault of our own; a new process starts clean


class Pipe:
    """Frames to the web process, whole, from any thread."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._lock = threading.Lock()

    def send(self, message: FromWorker) -> None:
        """Write one frame."""
        with self._lock:
            self._stream.write(wire.framed(message))
            self._stream.flush()


def main() -> int:
    """Load, then serve until the pipe closes."""
    pipe, incoming = _pipes()
    first = wire.read(incoming)
    if first is None:
        return 0
    asked = wire.decode_to_worker(first)
    if not isinstance(asked, Load):
        return 2
    try:
        loaded = load(asked, lambda stage, done, total: pipe.send(wire.Progress(stage, done, total)))
    except CannotLoad as fault:
        pipe.send(wire.NotLoaded(str(fault)))
        return 1
    waiting = Waiting(max_batch=asked.max_batch, window_ms=asked.window_ms)
    return _serve(loaded, asked, waiting, pipe, incoming)


def _serve(loaded: Loaded, asked: Load, waiting: Waiting, pipe: Pipe, incoming: BinaryIO) -> int:
    from cds_service.models.in_process.answering import Answering, DeviceLost

    answering = Answering(
        loaded, pipe.send, waiting.cancelled, joining=waiting.joining, narrow=waiting.narrow, prefixes=asked.prefixes
    )
    reading = Reading(incoming, waiting, pipe, answering.chat.count)
    threading.Thread(target=reading.run, daemon=True).start()
    pipe.send(
        wire.Ready(
            revision=loaded.revision,
            images=loaded.images is not None,
            context_tokens=loaded.context_tokens,
            device=loaded.device,
        )
    )
    while batch := _next(waiting):
        try:
            answering.answer(batch)
        except DeviceLost:
            return _give_up(answering.open, pipe, "the accelerator was lost; the worker starts again", GPU_LOST)
        except Exception as fault:  # noqa: BLE001  # told to each caller by its kind; the process does not go on
            return _give_up(answering.open, pipe, f"the worker broke ({type(fault).__name__}) and starts again", BROKEN)
        waiting.forget([ask.id for ask in batch])
    return 0


def _give_up(unanswered: Iterable[int], pipe: Pipe, message: str, code: int) -> int:
    for key in unanswered:
        pipe.send(Failed(key, "ServerFault", message))
    return code


def _next(waiting: Waiting) -> list[Ask]:
    """A batch, or [] once the pipe is closed."""
    while True:
        batch = waiting.batch()
        if batch or waiting.closed:
            return batch


class Reading:
    """The reader's thread. The web process gone means nobody waits: end at once, whatever the model is doing."""

    def __init__(self, incoming: BinaryIO, waiting: Waiting, pipe: Pipe, count: Callable[[str], int]) -> None:
        self._incoming, self._waiting, self._pipe, self._count = incoming, waiting, pipe, count

    def run(self) -> None:
        """Until the pipe closes; then the process ends, and so it does when a fault of our own stops the reading."""
        code = BROKEN
        try:
            while (body := wire.read(self._incoming)) is not None:
                self._take(wire.decode_to_worker(body))
            code = 0
        finally:
            os._exit(code)

    def _take(self, message: wire.ToWorker) -> None:
        if isinstance(message, Ask):
            self._waiting.put(message)
        elif isinstance(message, Count):
            self._pipe.send(Counted(message.id, self._count(message.text)))
        elif isinstance(message, Cancel):
            self._waiting.cancel(message.id)


def _pipes() -> tuple[Pipe, BinaryIO]:
    """The pipe is ours alone: whatever a library prints goes to standard error."""
    private = os.dup(1)
    os.dup2(2, 1)
    return Pipe(os.fdopen(private, "wb")), sys.stdin.buffer


if __name__ == "__main__":
    os._exit(main())  # the reading thread holds the pipe, which an orderly exit would wait for
