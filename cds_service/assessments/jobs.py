"""One durable job a key: queued, joined, run, tried again, taken over, given up visibly. Bytes in, bytes out.

What a job does is a ``Work`` by kind (``text``, ``image``), the part of its task before the colon. dbos runs in threads
of its own and is imported and launched in the background; the engine is called on this event loop. Without a database
nothing is queued and the caller is told so (rows 42, 43); with a full disk nothing by a model is written (row 44).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from queue import Full
from types import ModuleType
from typing import Any, Literal, NamedTuple, Protocol, TypeVar
from uuid import uuid4

from msgspec import Struct

from cds_service.assessments import executors, rows
from cds_service.assessments.durable import Durable
from cds_service.assessments.rows import State
from cds_service.assessments.store import Store
from cds_service.db.gateway import DatabaseUnavailable, Gateway
from cds_service.models.faults import BadAnswer, EngineFault, EngineRefused, EngineUnavailable, ServerFault
from cds_service.telemetry import log
from cds_service.tracing import OFF, Parent, Tracing

T = TypeVar("T")
AGAIN = "again"
LOST = "the job ended without a result"
PATIENCE_S = 5.0  # for a transaction of a job: nobody waits for it
MOST_ASKERS = 1024  # jobs that another replica runs leave theirs behind
EMBEDDED = "embedded"  # the one process on a SQLite: it takes its own unfinished work up when it starts
WAITING, SHOWN, WARM = 1, 5, 10  # priorities: lower goes first
WORST_FIRST: Mapping[str, float] = {"image": 0.5, "text:record-summary": 0.75, "text:considerations": 0.75}
_log = log(__name__)

Count = Callable[[str, int], None]


class Obsolete(Exception):
    """What the job was to make would not be the result of its key any more: data, prompt, engine or rules moved on."""


class NotMade(NamedTuple):
    """Why an attempt has no result, and how its job ends unless it is tried ``again``."""

    state: Literal["failed", "shed"]
    reason: str
    again: bool = False


class Work(Protocol):
    """What a kind of job does. Raises what ``models/faults.py`` lists, or Obsolete."""

    async def __call__(self, key: str, snapshot: bytes, /) -> bytes:
        """The result of a snapshot."""
        ...


class Limits(Struct, frozen=True, kw_only=True):
    """``slots`` jobs at once in this process; at most ``depth`` waiting; none older than ``age_s`` is begun."""

    slots: int = 4
    depth: int = 200
    age_s: float = 300.0
    beat_s: float = executors.BEAT_S
    stale_s: float = executors.STALE_S


class Jobs:
    """Queues and runs. ``start`` when the application is up, ``close`` when it stops."""

    def __init__(
        self,
        gateway: Gateway,
        store: Store,
        works: Mapping[str, Work],
        *,
        url: str,
        limits: Limits,
        count: Count = lambda _name, _n: None,
        ended: Callable[[str, str, str, str], None] = lambda _key, _task, _state, _reason: None,
        tracing: Tracing = OFF,
        hurries: Callable[[], bool] = lambda: True,
        off: Callable[[], bool] = lambda: False,
    ) -> None:
        """``hurries``: whether some call may wait for a job now; it is not looked for as often otherwise. ``off``: whether
        all AI is switched off: what was queued before is not made either."""
        self._hurries, self._quick, self._off = hurries, True, off
        self._gateway, self._store, self._works = gateway, store, works
        self._limits = limits
        self._count, self._ended, self._tracing = count, ended, tracing
        self._askers: dict[str, Parent] = {}  # places in the traces of the calls that first asked
        self.executor = uuid4().hex if gateway.shared else EMBEDDED
        self._durable = Durable(url, self.executor, limits.slots, count)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._waiters: dict[str, asyncio.Event] = {}
        self._awaited: set[str] = set()  # keys among them that a call waits for
        self._depth = 0
        self._ahead = 0  # milliseconds the database's clock is ahead of ours

    @property
    def ready(self) -> bool:
        """Whether jobs can be queued by now."""
        return not self._durable.why and self._gateway.keeps

    def standing(self) -> str:
        """Why they do not run yet, '' once they do: for readiness."""
        return self._durable.why

    def start(self) -> None:
        """Begin in the background: the service answers meanwhile."""
        self._loop = asyncio.get_running_loop()
        self._background(self._run())

    async def close(self) -> None:
        """Stop at once; what is unfinished is taken up by this process's next start, or by another replica."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        started = self._durable.module is not None
        await self._durable.close()
        if started:
            try:
                await self._transact(partial(executors.leave, identity=self.executor))
            except DatabaseUnavailable:
                _log.warning("executor could not sign off")

    async def look(self, keys: Collection[str], deadline: float) -> dict[str, State]:
        """What is known of keys that memory does not hold; raises DatabaseUnavailable."""
        return await self._gateway.run(lambda c: rows.look(c, keys), deadline=deadline, single=True)

    def ask(self, key: str, task: str, snapshot: Callable[[], bytes], priority: int) -> str:
        """Have a key made, off the request path: '' when it is on its way, else why not. A second caller joins the first."""
        if self._durable.why:
            return self._durable.why
        if not self._gateway.keeps or self._gateway.breaker.state != "closed":
            self._count("assessment_jobs:not stored", 1)
            return "the database does not answer"
        if priority > WAITING and self._depth >= self._limits.depth * _share(task):
            self._count("assessment_jobs:shed", 1)
            return "too much is waiting"
        hurries = priority == WAITING and key not in self._awaited
        if hurries:
            self._awaited.add(key)
        if key not in self._waiters:
            self._waiters[key] = asyncio.Event()
            if (place := self._tracing.here()) is not None and len(self._askers) < MOST_ASKERS:
                self._askers[key] = place
            self._background(self._queue(key, task, snapshot, priority))
        elif hurries:
            self._background(self._hurry(key))
        return ""

    def has(self, key: str) -> bool:
        """Whether a job of this key is under way in this process."""
        return key in self._waiters

    async def wait(self, key: str, deadline: float) -> None:
        """Until the job of a key has ended in this process, or the deadline. The job goes on when the caller goes away."""
        event = self._waiters.get(key)
        if event is None:
            return
        try:
            async with asyncio.timeout_at(deadline):
                await event.wait()
        except TimeoutError:
            return

    async def _queue(self, key: str, task: str, snapshot: Callable[[], bytes], priority: int) -> None:
        workflow = self._durable.module
        try:
            plain = await asyncio.to_thread(snapshot)
            sealed = self._store.seal_snapshot(key, plain)
            round_ = await self._transact(lambda c: rows.add(c, key, task, sealed, self._now()))
            if not round_ or workflow is None:
                self._count("assessment_jobs:joined", 1)
                if await self._transact(partial(rows.ended, keys=[key])):
                    self._release(key)  # the next look finds what became of it
                elif key in self._awaited:
                    await self._hurry(key)
                return
            name = rows.workflow_id(key, round_)
            self._depth += 1
            if key in self._awaited:
                await self._durable.call(partial(workflow.start, name))
            else:
                await self._durable.call(partial(workflow.enqueue, name, priority))
                if key in self._awaited:
                    await self._hurry(key)
            self._count("assessment_jobs:queued", 1)
        except (DatabaseUnavailable, Full) as fault:
            self._release(key)
            self._count("assessment_jobs:not stored", 1)
            _log.warning("a job could not be queued", fault=type(fault).__name__)
        except Exception as fault:  # noqa: BLE001 - dbos's own database fails in its own ways; the next call asks again
            self._release(key)
            self._count("assessment_jobs:not stored", 1)
            _log.error("a job could not be queued", exc_info=fault)

    async def _hurry(self, key: str) -> None:
        """A job queued ahead of need is begun at once for a caller who waits."""
        workflow = self._durable.module
        try:
            round_ = await self._transact(partial(rows.queued, key=key))
            if round_ and workflow is not None:
                await self._durable.call(partial(workflow.hurry, rows.workflow_id(key, round_)))
                self._count("assessment_jobs:hurried", 1)
        except Exception as fault:  # noqa: BLE001 - dbos's own database fails in its own ways; the job keeps its place
            _log.warning("a job could not be hurried", fault=type(fault).__name__)

    async def _run(self) -> None:
        """Launch, then beat and take over for as long as the application lives."""
        self._ahead = await self._transact_patiently(lambda c: executors.ahead(c, self._store.now()))
        await self._transact_patiently(partial(executors.beat, identity=self.executor, now=self._now()))
        workflow = await self._durable.launch(self._from_thread)
        _log.info("jobs started", count=self._limits.slots)
        while True:
            try:
                await self._beat(workflow)
            except (DatabaseUnavailable, Full):
                self._count("assessment_jobs:beat missed", 1)
            except Exception as fault:  # noqa: BLE001 - dbos's own database fails in its own ways; the next beat tries again
                self._count("assessment_jobs:beat missed", 1)
                _log.warning("heartbeat failed", exc_info=fault)
            await asyncio.sleep(self._limits.beat_s)

    async def _beat(self, workflow: ModuleType) -> None:
        self._ahead = await self._transact(lambda c: executors.ahead(c, self._store.now()))
        now, stale = self._now(), int(self._limits.stale_s * 1000)
        joined = list(self._waiters) if self._gateway.shared else []  # another process may run them

        def beat(connection: Any) -> tuple[set[str], int, list[rows.Open], list[rows.Open], list[str]]:
            executors.beat(connection, self.executor, now)
            over = rows.ended(connection, joined) if joined else []
            untouched = rows.untouched(connection, now - stale)
            stranded = rows.stranded(connection, untouched, now)
            return executors.alive(connection, now, stale), rows.depth(connection), untouched, stranded, over

        living, self._depth, untouched, stranded, over = await self._transact(beat)
        for key in over:
            self._release(key)
        lost = await self._bury_ended(workflow, untouched)
        for job in stranded:  # the same id again is the same job
            if job.workflow not in lost:
                await self._durable.call(partial(workflow.enqueue, job.workflow, WARM))
        if (quick := self._hurries()) is not self._quick:
            await self._durable.call(partial(workflow.pace, quick))
            self._quick = quick
        if not self._gateway.shared:
            return
        orphans = [name for name, owner in await self._durable.call(workflow.unfinished) if owner not in living]
        for name in orphans:
            if await self._transact(lambda c, n=name: executors.claim(c, rows.key_of(n), now, stale)):  # type: ignore[misc]
                await self._durable.call(partial(workflow.resume, [name]))
                self._count("assessment_jobs:taken over", 1)

    async def _bury_ended(self, workflow: ModuleType, untouched: Sequence[rows.Open]) -> set[str]:
        """What dbos has given up without our knowing (an error of its own, too many recoveries) is given up where it is seen."""
        names = {job.workflow: job for job in untouched}
        lost: set[str] = await self._durable.call(partial(workflow.ended, list(names))) if names else set()
        for job in [names[name] for name in lost]:
            _log.error("a job ended without a result", job=job.task)
            await self._bury(job.key, job.task, "failed", LOST)
        return lost

    async def _from_thread(self, workflow: str, last: bool) -> str:
        """An attempt, asked for in a thread of dbos and made on the application's loop, where the engine lives."""
        if self._loop is None:
            return AGAIN
        future = asyncio.run_coroutine_threadsafe(self._attempt(rows.key_of(workflow), last), self._loop)
        return await asyncio.wrap_future(future)

    async def _attempt(self, key: str, last: bool) -> str:
        """One attempt: ``done``, how it was given up, or ``again``. Idempotent; never raises for what can go wrong with it."""
        now = self._now()
        try:
            job = await self._transact(lambda c: rows.begin(c, key, now))
            if job is None:
                self._release(key)
                return "ended before"
            self._depth = max(0, self._depth - 1)
            if job.attempts == 1 and now - job.queued_at > self._limits.age_s * 1000:
                return await self._bury(key, job.task, "shed", "it waited too long")
            outcome = await self._traced(key, job)
            if isinstance(outcome, bytes):
                sealed, expires_at = self._store.seal(key, outcome)
                await self._transact(lambda c: rows.finish(c, key, sealed, expires_at, self._now()))
                self._end(key, job.task, "done", "")
                return "done"
            if outcome.again and not last:
                self._count("assessment_jobs:again", 1)
                return AGAIN
            return await self._bury(key, job.task, outcome.state, outcome.reason)
        except DatabaseUnavailable:
            self._count("assessment_jobs:database failed", 1)
            return AGAIN
        except Exception as fault:  # noqa: BLE001 - dbos would end the job for good; after the last attempt ``_bury_ended`` does
            _log.error("a job broke", exc_info=fault)
            return AGAIN

    async def _traced(self, key: str, job: rows.Job) -> bytes | NotMade:
        """See ``_made``; one span an attempt."""
        waited = self._now() - job.queued_at
        with self._tracing.job(self._askers.get(key), task=job.task, attempt=job.attempts, waited_ms=waited) as span:
            outcome = await self._made(key, job)
            if isinstance(outcome, bytes):
                span.set(outcome="done")
            else:
                span.set(outcome=AGAIN if outcome.again else outcome.state)
                span.failed(outcome.reason)
        return outcome

    async def _made(self, key: str, job: rows.Job) -> bytes | NotMade:
        """The result, or why there is none."""
        if self._off():
            return NotMade("shed", "the AI part was switched off")
        work = self._works.get(job.task.partition(":")[0])
        snapshot = self._store.open_snapshot(key, job.snapshot)
        if work is None or snapshot is None:
            return NotMade("failed", "its material cannot be read any more")
        try:
            return await work(key, snapshot)
        except Obsolete:
            return NotMade("failed", "the record, the prompt, the engine or the rules have moved on")
        except (BadAnswer, EngineRefused) as fault:
            return NotMade("failed", fault.reason)
        except EngineFault as fault:
            away = isinstance(fault, EngineUnavailable) and not isinstance(fault, ServerFault)
            return NotMade("shed" if away else "failed", fault.reason, again=True)
        except Exception as fault:  # noqa: BLE001 - a job that breaks is tried again, then given up where everybody sees it
            _log.error("a job broke", exc_info=fault)
            return NotMade("failed", "a fault of our own", again=True)

    async def _bury(self, key: str, task: str, state: str, reason: str) -> str:
        if await self._transact(lambda c: rows.bury(c, key, state, reason, self._now())):
            self._end(key, task, state, reason)
        else:  # it has ended elsewhere meanwhile
            self._release(key)
        return state

    def _end(self, key: str, task: str, state: str, reason: str) -> None:
        self._count(f"assessment_jobs:{state}", 1)
        self._ended(key, task, state, reason)
        self._release(key)

    def _release(self, key: str) -> None:
        self._awaited.discard(key)
        self._askers.pop(key, None)
        if (event := self._waiters.pop(key, None)) is not None:
            event.set()

    def _now(self) -> int:
        """Milliseconds since 1970 by the clock of the database, which all replicas share."""
        return self._store.now() + self._ahead

    async def _transact(self, call: Callable[[Any], T]) -> T:
        return await self._gateway.run(call, deadline=asyncio.get_running_loop().time() + PATIENCE_S)

    async def _transact_patiently(self, call: Callable[[Any], T]) -> T:
        while True:
            try:
                return await self._transact(call)
            except DatabaseUnavailable:
                await asyncio.sleep(1.0)

    def _background(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._over)

    def _over(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            _log.error("jobs stopped", exc_info=fault)


def _share(task: str) -> float:
    """How much of the queue this kind may fill: images are shed first, then summaries, orders last."""
    return WORST_FIRST.get(task, WORST_FIRST.get(task.partition(":")[0], 1.0))
