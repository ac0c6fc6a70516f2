"""Assessments as services see them: what is ready joins the cards, what is not is asked for, and is waited for only if it fits.

The AI switch is read at each call: off means that nothing is looked up, queued or shown; shadow that it is made and
audited, not shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

from cds_service.assessments import snapshot
from cds_service.assessments.jobs import SHOWN, WAITING, WARM, Jobs, Obsolete
from cds_service.assessments.key import Keys
from cds_service.assessments.places import numbered, placed, ranged
from cds_service.assessments.rows import AGAIN_MS, SPENT
from cds_service.assessments.store import Store
from cds_service.assessments.task import Checked, Subject, Task
from cds_service.db.gateway import DatabaseUnavailable
from cds_service.models.engine import Engine
from cds_service.models.faults import NotReady
from cds_service.rules.catalogue import Switch
from cds_service.rules.pack import Pack
from cds_service.switches import Switches

LOOK_S = 0.1  # most a look into the database may take of a hook call
RESERVE_S = 0.05  # kept of the budget for layout and the way back
KIND = "text"

Standing = Literal["off", "ready", "pending", "failed"]


class Stands(Protocol):
    """How an engine stands (models/standing.py)."""

    @property
    def engine(self) -> Engine:
        """The engine with its wrappers."""
        ...

    @property
    def state(self) -> str:
        """ready, or why not."""
        ...

    @property
    def why(self) -> str:
        """In words, '' when it is ready."""
        ...

    def fits(self, budget_s: float, *, labels: bool = False) -> bool:
        """Whether its breaker is closed and its recent p90 (of scored ``labels``) fits the budget (seconds)."""
        ...


class Wanted(Struct, frozen=True, kw_only=True):
    """One assessment a service wants."""

    tenant: str
    task: str
    subject: Subject
    pack: Pack
    deadline: float  # moment of the event loop's clock
    wait: bool = True  # whether the call may wait for it


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of it. ``why`` says in words why there is no result; ``shown`` is False in shadow."""

    task: str
    state: Standing
    checked: Checked | None = None
    why: str = ""
    shown: bool = True


class Texts:
    """The text assessments of one engine."""

    def __init__(
        self,
        standing: Stands,
        tasks: Mapping[str, Task],
        store: Store,
        keys: Keys,
        switches: Switches,
        pack: Callable[[], Pack],
    ) -> None:
        self._standing, self._tasks = standing, tasks
        self._store, self._keys, self._switches, self._pack = store, keys, switches, pack
        self._jobs: Jobs | None = None

    def use(self, jobs: Jobs) -> None:
        """The jobs that make what is missing; they call ``make``."""
        self._jobs = jobs

    async def get(self, wanted: Wanted) -> Outcome:
        """Ready, pending or failed by the deadline; never raises for an engine, a job or a database."""
        switch = self._switches.ai
        if switch is Switch.OFF or not self._apt(wanted):
            return Outcome(task=wanted.task, state="off", shown=False)
        shown = switch is Switch.ON
        key = self._key(wanted)
        if (held := self._store.held(key)) is not None:
            return self._ready(held, wanted, shown)
        now = asyncio.get_running_loop().time()
        fits = (
            shown
            and wanted.wait
            and self._standing.fits(wanted.deadline - now - RESERVE_S, labels=self._tasks[wanted.task].scores)
        )
        under_way = self._jobs is not None and self._jobs.has(key)  # then memory will hold it first
        found = "" if under_way else await self._look(key, min(wanted.deadline, now + LOOK_S))
        if isinstance(found, bytes):
            return self._ready(found, wanted, shown)
        if found:
            return Outcome(task=wanted.task, state="failed", why=found, shown=shown)
        refused = self._ask(key, wanted, WAITING if fits else SHOWN)
        if refused:
            return Outcome(task=wanted.task, state="failed", why=refused, shown=shown)
        if fits and self._jobs is not None:
            await self._jobs.wait(key, wanted.deadline - RESERVE_S)
            if (held := self._store.held(key)) is not None:
                return self._ready(held, wanted, shown)
        return Outcome(task=wanted.task, state="pending", shown=shown)

    def warm(self, wanted: Wanted) -> None:
        """Have it made for a later call. Nobody waits for it, and nobody is told when it cannot be."""
        if self._switches.ai is Switch.OFF or not self._apt(wanted):
            return
        key = self._key(wanted)
        if self._store.held(key) is None:
            self._ask(key, wanted, WARM)

    async def make(self, key: str, sealed: bytes) -> bytes:
        """The Work of kind ``text``: ask, check, encode. Obsolete when the key is no longer that of what would be made."""
        shot = snapshot.decode(sealed)
        task = self._tasks.get(shot.task)
        pack = self._pack()
        if task is None or self._switches.ai is Switch.OFF:
            raise Obsolete
        subject = await asyncio.to_thread(snapshot.subject, shot, pack)
        engine = self._standing.engine
        if self._keys.key(shot.tenant, task, subject, engine.identity, pack) != key:
            raise Obsolete
        if self._standing.state != "ready":
            raise NotReady
        checked = await task.run(engine, subject)
        if checked.identity != engine.identity:
            raise Obsolete
        return msgspec.msgpack.encode(placed(checked, [fact for _, fact in ranged(task, subject)]))

    def _key(self, wanted: Wanted) -> str:
        task, identity = self._tasks[wanted.task], self._standing.engine.identity
        return self._keys.key(wanted.tenant, task, wanted.subject, identity, wanted.pack)

    def _ask(self, key: str, wanted: Wanted, priority: int) -> str:
        if self._jobs is None:
            return "jobs are not started"
        subject = msgspec.structs.replace(wanted.subject, waiting=priority == WAITING)
        shot = snapshot.of(wanted.tenant, wanted.task, subject)
        return self._jobs.ask(key, f"{KIND}:{wanted.task}", partial(snapshot.encode, shot), priority)

    async def _look(self, key: str, deadline: float) -> bytes | str:
        """A result, why there will be none for a while, or '' where it may be asked for."""
        if self._jobs is None:
            return ""
        try:
            state = (await self._jobs.look([key], deadline)).get(key)
        except DatabaseUnavailable:
            return "the database does not answer"
        if state is None:
            return ""
        if state.state == "done" and state.sealed is not None:
            return self._store.take(key, state.sealed, state.expires_at) or ""
        spent = state.state in SPENT and self._store.now() - state.changed_at < AGAIN_MS
        return state.reason if spent else ""

    def _apt(self, wanted: Wanted) -> bool:
        """There is something to ask about, and the engine can answer this sort of question."""
        scores = self._tasks[wanted.task].scores
        return bool(wanted.subject.selection.facts) and (not scores or self._standing.engine.capabilities.logprobs)

    def _ready(self, held: bytes, wanted: Wanted, shown: bool) -> Outcome:
        facts = [fact for _, fact in ranged(self._tasks[wanted.task], wanted.subject)]
        checked = numbered(msgspec.msgpack.decode(held, type=Checked), facts)
        return Outcome(task=wanted.task, state="ready", checked=checked, shown=shown)
