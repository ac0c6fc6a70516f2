"""A bounded pool of daemon threads.

``concurrent.futures.ThreadPoolExecutor`` queues without bound and is joined when the interpreter ends: one hung
database call would fill memory and keep a stopped process alive. This pool refuses work when its queue is full and
never holds up an exit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from queue import Full, Queue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
_Task = tuple[Future[Any], Callable[[], Any]]


class Threads:
    """``count`` threads and at most ``waiting`` calls in line."""

    def __init__(self, count: int, waiting: int, name: str) -> None:
        self._line: Queue[_Task | None] = Queue(waiting)
        self._closed = False
        self._threads = [Thread(target=self._work, name=f"{name}-{n}", daemon=True) for n in range(count)]
        for thread in self._threads:
            thread.start()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Run ``call`` in a thread. Raises ``queue.Full`` when every thread is busy and the line is full."""
        future: Future[T] = Future()
        self._line.put_nowait((future, call))
        return future

    @property
    def closed(self) -> bool:
        """Whether nobody is left who would run a call."""
        return self._closed

    def close(self) -> None:
        """Idle threads end now, busy ones after the call they are in; nothing waits for them."""
        self._closed = True
        for _ in self._threads:
            try:
                self._line.put_nowait(None)
            except Full:
                return  # every thread is busy and looks at ``_closed`` when it comes back

    def join(self, grace: float) -> None:
        """Wait at most ``grace`` seconds for calls under way to end. Blocks."""
        until = time.monotonic() + grace
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _work(self) -> None:
        while not self._closed and (task := self._line.get()) is not None:
            _run(*task)
            del task  # an idle thread keeps no result alive


def _run(future: Future[Any], call: Callable[[], Any]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as fault:  # noqa: BLE001 - it belongs to the waiting caller, who gets it
        future.set_exception(fault)
    else:
        future.set_result(result)
