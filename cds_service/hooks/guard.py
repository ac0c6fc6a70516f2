"""Runs a service so that its answer is never late and never silent."""

from __future__ import annotations

from asyncio import CancelledError, Task, create_task, get_running_loop, wait
from collections.abc import Coroutine
from typing import Any

from cds_service.errors import CdsError
from cds_service.hooks import notices
from cds_service.services.service import Answer, Call, Service
from cds_service.telemetry import log

GRACE_S = 0.05  # a service that keeps its deadline is never cut off; one that does not is, this much later
_log = log(__name__)


class Guard:
    """Remembers abandoned services only until they have really ended."""

    def __init__(self) -> None:
        self.late: set[Task[Answer]] = set()

    async def run(self, service: Service, call: Call) -> Answer:
        """The service's answer, or a card that says why there is none; a CdsError of the service passes through.

        A service that holds on to its cancellation is left behind: nobody waits for it.
        """
        running: Coroutine[Any, Any, Answer] = service.answer(call)
        work = create_task(running)
        try:
            await wait((work,), timeout=max(0.0, call.deadline + GRACE_S - get_running_loop().time()))
        except CancelledError:
            work.cancel()
            raise
        if not work.done():
            self._abandon(work, service.id)
            return notices.timed_out(service.id, service.title)
        error = CancelledError() if work.cancelled() else work.exception()
        if error is None:
            return _spoken(work.result(), service)
        if isinstance(error, CdsError):
            raise error
        _log.error("service broke", service=service.id, exc_info=error)
        return notices.failed(service.id, service.title)

    def _abandon(self, work: Task[Answer], service_id: str) -> None:
        _log.warning("service overran its deadline", service=service_id)
        self.late.add(work)
        work.add_done_callback(self._ended)
        work.cancel()

    def _ended(self, work: Task[Answer]) -> None:
        self.late.discard(work)
        if not work.cancelled() and (error := work.exception()) is not None:
            _log.error("service broke after its deadline", exc_info=error)


def _spoken(answer: Answer, service: Service) -> Answer:
    """``cards: []`` means looked and nothing to say; an incomplete look says that it was one."""
    if answer.cards or answer.outcome == "complete":
        return answer
    return notices.join(answer, notices.incomplete(service.id, service.title))
