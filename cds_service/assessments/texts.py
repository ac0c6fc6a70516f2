"""Assessments as services see them: what is ready joins the cards, what is not is asked for, and is waited for only if it fits.

The AI switch is read at each call: off means that nothing is looked up, queued or shown; shadow that it is made and
audited, not shown. An engine that cannot be asked now costs a call nothing but the line that says so; what was made of
that patient before is shown all the same, as long as memory holds it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from cds_service.assessments import snapshot
from cds_service.assessments.jobs import SHOWN, WAITING, WARM, Jobs, Obsolete
from cds_service.assessments.key import Keys
from cds_service.assessments.memory import Decoded, Recent
from cds_service.assessments.places import numbered, placed, ranged
from cds_service.assessments.rows import AGAIN_MS, State
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
REMEMBERED_S = 60.0  # how long a process remembers that a key was given up, without asking the database again
KIND = "text"
NO_DATABASE = "the database does not answer"

Progress = Literal["off", "unasked", "ready", "pending", "failed"]


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
    def unready(self) -> str:
        """Why it cannot be asked now, in a short phrase of ours; '' when it can."""
        ...

    def fits(self, budget_s: float, *, labels: bool = False) -> bool:
        """Whether its breaker is closed and its recent p90 (of scored ``labels``) fits the budget (seconds)."""
        ...


class Wanted(Struct, frozen=True, kw_only=True):
    """One assessment a service wants."""

    task: str
    subject: Subject
    wait: bool = True  # whether the call may wait for it


class Questions(Struct, frozen=True, kw_only=True):
    """All that one call wants about one patient."""

    tenant: str
    pack: Pack
    deadline: float  # moment of the event loop's clock
    wanted: Sequence[Wanted]


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of one. ``why`` says in words why there is no result; ``shown`` is False in shadow; ``prompt`` is '' when off."""

    task: str
    state: Progress
    checked: Checked | None = None
    why: str = ""
    shown: bool = True
    prompt: str = ""  # 'triage@1 sha256:…'
    key: str = ""  # of one that is pending: the address of its page (web/preparing.py)


class _Open(NamedTuple):
    """A question whose result memory does not hold."""

    place: int  # among those of the call
    key: str
    wanted: Wanted


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
        count: Callable[[str, int], None] = lambda _name, _n: None,
    ) -> None:
        self._standing, self._tasks, self._count = standing, tasks, count
        self._store, self._keys, self._switches, self._pack = store, keys, switches, pack
        self._jobs: Jobs | None = None
        self._decoded = Decoded(store)
        self._patients = Recent()  # of whom memory may hold a result
        self._given_up = Recent()  # keys, with why

    def use(self, jobs: Jobs) -> None:
        """The jobs that make what is missing; they call ``make``."""
        self._jobs = jobs

    def spared(self, tenant: str, patient: str) -> Outcome | None:
        """What every question about a patient comes to where nothing has to be looked up: off, or not asked; else None."""
        switch = self._switches.ai
        if switch is Switch.OFF:
            return Outcome(task="", state="off", shown=False)
        why = self._standing.unready
        if why and self._patients.why(_mark(tenant, patient)) is None:
            return Outcome(task="", state="unasked", why=why, shown=switch is Switch.ON)
        return None

    async def get(self, asked: Questions) -> list[Outcome]:
        """Each ready, pending or failed by the deadline; never raises for an engine, a job or a database."""
        switch = self._switches.ai
        if switch is Switch.OFF:
            return [Outcome(task=each.task, state="off", shown=False) for each in asked.wanted]
        shown = switch is Switch.ON
        found: dict[int, Outcome] = {}
        missing: list[_Open] = []
        for place, wanted in enumerate(asked.wanted):
            if not self._apt(wanted):
                found[place] = Outcome(task=wanted.task, state="off", shown=False)
                continue
            key = self._key(asked, wanted)
            ready = self._ready(key, asked, wanted, shown=shown)
            if ready is not None:
                found[place] = ready
            else:
                missing.append(_Open(place, key, wanted))
        if missing:
            found |= await self._have_made(asked, missing, shown=shown)
        return [found[place] for place in range(len(asked.wanted))]

    def warm(self, asked: Questions) -> None:
        """Have it made for a later call. Nobody waits for it, and nobody is told when it cannot be."""
        if self._jobs is None or self._switches.ai is Switch.OFF or self._standing.unready:
            return
        for wanted in asked.wanted:
            if not self._apt(wanted):
                continue
            key = self._key(asked, wanted)
            if not (self._jobs.has(key) or self._store.holds(key) or self._given_up.why(key)):
                self._ask(key, asked, wanted, WARM)

    async def make(self, key: str, sealed: bytes) -> bytes:
        """The Work of kind ``text``: ask, check, encode. Obsolete when the key is no longer that of what would be made."""
        shot = snapshot.decode(sealed)
        task = self._tasks.get(shot.task)
        pack = self._pack()
        if task is None:
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
        for reason, n in checked.dropped.items():  # once, when it is made, however often it is shown
            self._count(f"statements_dropped:{reason}", n)
        self._patients.note(_mark(shot.tenant, subject.record.person.reference))
        return msgspec.msgpack.encode(placed(checked, ranged(task, subject).facts))

    async def _have_made(self, asked: Questions, missing: Sequence[_Open], *, shown: bool) -> dict[int, Outcome]:
        """What memory does not hold: looked for in the database in one go, asked for, waited for where it fits."""
        if why := self._standing.unready:
            return {each.place: self._outcome(each.wanted, "unasked", why, shown=shown) for each in missing}
        now = asyncio.get_running_loop().time()
        stored = await self._look([each.key for each in missing], min(asked.deadline, now + LOOK_S))
        found: dict[int, Outcome] = {}
        awaited: list[_Open] = []
        for each in missing:
            ready = self._ready(each.key, asked, each.wanted, shown=shown)
            fits = shown and self._fits(each.wanted, asked.deadline - now - RESERVE_S)
            if ready is None and not (why := stored.get(each.key, "")):
                why = self._asked_for(each, asked, WAITING if fits else SHOWN)
                if fits and not why:
                    awaited.append(each)
            state: Progress = "failed" if why else "pending"
            key = "" if why else each.key
            found[each.place] = ready or self._outcome(each.wanted, state, why, shown=shown, key=key)
        if awaited and self._jobs is not None:
            until = asked.deadline - RESERVE_S
            await asyncio.gather(*(self._jobs.wait(each.key, until) for each in awaited))
            for each in awaited:
                ready = self._ready(each.key, asked, each.wanted, shown=shown)
                found[each.place] = ready or found[each.place]
        return found

    def _asked_for(self, each: _Open, asked: Questions, priority: int) -> str:
        """'' when it is on its way, else why not. A job under way is not asked for again, unless somebody waits now."""
        if priority != WAITING and self._jobs is not None and self._jobs.has(each.key):
            return ""
        return self._ask(each.key, asked, each.wanted, priority)

    def _ask(self, key: str, asked: Questions, wanted: Wanted, priority: int) -> str:
        if self._jobs is None:
            return "jobs are not started"
        subject = msgspec.structs.replace(wanted.subject, waiting=priority == WAITING)
        shot = snapshot.of(asked.tenant, wanted.task, subject)
        return self._jobs.ask(key, f"{KIND}:{wanted.task}", partial(snapshot.encode, shot), priority)

    async def _look(self, keys: Collection[str], deadline: float) -> dict[str, str]:
        """Take into memory what the database holds of these keys; why there will be none for a while, by key."""
        if self._jobs is None:
            return {}
        why = {key: said for key in keys if (said := self._given_up.why(key))}
        jobs = self._jobs  # what is under way there reaches memory first
        asked = [key for key in keys if key not in why and not jobs.has(key)]
        if not asked:
            return why
        try:
            states = await jobs.look(asked, deadline)
        except DatabaseUnavailable:
            return why | dict.fromkeys(asked, NO_DATABASE)
        for key, state in states.items():
            if state.state == "done" and state.sealed is not None:
                self._store.take(key, state.sealed, state.expires_at)
            elif said := self._spent(key, state):
                why[key] = said
        return why

    def _spent(self, key: str, state: State) -> str:
        """Why a key was given up, for as long as it may not be asked for again; remembered so that this is not looked up anew."""
        left_s = (AGAIN_MS - (self._store.now() - state.changed_at)) / 1000
        if state.state != "failed" or left_s <= 0:
            return ""
        self._given_up.note(key, state.reason, min(left_s, REMEMBERED_S))
        return state.reason

    def _key(self, asked: Questions, wanted: Wanted) -> str:
        task, identity = self._tasks[wanted.task], self._standing.engine.identity
        return self._keys.key(asked.tenant, task, wanted.subject, identity, asked.pack)

    def _fits(self, wanted: Wanted, budget_s: float) -> bool:
        return wanted.wait and self._standing.fits(budget_s, labels=self._tasks[wanted.task].scores)

    def _apt(self, wanted: Wanted) -> bool:
        """There is something to ask about, and the engine can answer this sort of question."""
        scores = self._tasks[wanted.task].scores
        return bool(wanted.subject.selection.facts) and (not scores or self._standing.engine.capabilities.logprobs)

    def _ready(self, key: str, asked: Questions, wanted: Wanted, *, shown: bool) -> Outcome | None:
        """The result memory holds, under the numbers its facts have in this record."""
        kept = self._decoded.get(key)
        if kept is None:
            return None
        subject = wanted.subject
        self._patients.note(_mark(asked.tenant, subject.record.person.reference))
        checked = numbered(kept, ranged(self._tasks[wanted.task], subject).facts)
        return Outcome(task=wanted.task, state="ready", checked=checked, shown=shown, prompt=checked.prompt)

    def _outcome(self, wanted: Wanted, state: Progress, why: str, *, shown: bool, key: str = "") -> Outcome:
        prompt = self._tasks[wanted.task].label
        return Outcome(task=wanted.task, state=state, why=why, shown=shown, prompt=prompt, key=key)


def _mark(tenant: str, patient: str) -> str:
    """Names a patient of a tenant in this process alone: neither can be read from it."""
    return str(hash((tenant, patient)))
