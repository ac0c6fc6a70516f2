"""One call, several questions: one look into the database, nothing asked twice, nothing asked of a model left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from typing import Any

import msgspec
from msgspec.structs import replace

from cds_service.assessments.jobs import SHOWN, WAITING, WARM
from cds_service.assessments.key import Keys
from cds_service.assessments.memory import Recent
from cds_service.assessments.places import placed, ranged
from cds_service.assessments.rows import State
from cds_service.assessments.store import Store
from cds_service.assessments.task import Checked
from cds_service.assessments.tasks import load_tasks
from cds_service.assessments.texts import Outcome, Questions, Texts, Wanted
from cds_service.db.gateway import DatabaseUnavailable
from cds_service.grounding.statement import Statement
from cds_service.models.prompting import templates
from cds_service.rules.catalogue import Switch
from tests.assessments.doubles import Double, Stand
from tests.assessments.test_keys_and_snapshots import CIPHER, PACK, subject

TASKS = load_tasks(templates.load())
SUMMARY, CONSIDERATIONS = "record-summary", "considerations"
ALONE = "the model failed too often lately and is left alone for a while"


class Queue:
    """Stands for the jobs: says what the database holds and takes note of what it is asked."""

    def __init__(self) -> None:
        self.rows: dict[str, State] = {}
        self.under_way: set[str] = set()
        self.looks: list[list[str]] = []
        self.asked: list[tuple[str, int]] = []
        self.down = False
        self.makes: Callable[[str], None] = lambda _key: None

    async def look(self, keys: Collection[str], _deadline: float) -> dict[str, State]:
        self.looks.append(list(keys))
        if self.down:
            raise DatabaseUnavailable("down")
        return {key: self.rows[key] for key in keys if key in self.rows}

    def has(self, key: str) -> bool:
        return key in self.under_way

    def ask(self, key: str, _task: str, _snapshot: Callable[[], bytes], priority: int) -> str:
        self.asked.append((key, priority))
        self.under_way.add(key)
        return ""

    async def wait(self, key: str, _deadline: float) -> None:
        self.makes(key)


class House:
    """The assessments of one engine over the queue above."""

    def __init__(self, *, fast: bool = False) -> None:
        self.moment = 1_000.0
        self.ai = Switch.ON
        self.stand, self.queue = Stand(Double(), fast=fast), Queue()
        self.store = Store(CIPHER, ttl_s=60, clock=lambda: self.moment)
        self.texts = Texts(self.stand, TASKS, self.store, Keys(CIPHER), self, lambda: PACK)  # type: ignore[arg-type]
        self.texts.use(self.queue)  # type: ignore[arg-type]
        self.subject = subject()

    def questions(self, *tasks: str) -> Questions:
        wanted = [Wanted(task=task, subject=self.subject) for task in tasks or (SUMMARY, CONSIDERATIONS)]
        return Questions(tenant="a", pack=PACK, deadline=asyncio.get_running_loop().time() + 5, wanted=wanted)

    async def get(self, *tasks: str) -> list[Outcome]:
        return await self.texts.get(self.questions(*tasks))

    def made(self, task: str) -> bytes:
        """A result about the first fact, as a job keeps it."""
        facts = ranged(TASKS[task], self.subject).facts
        statement = Statement(text="Potassium 7.1 mmol/L.", fact_ids=(facts[0].id,))
        identity = self.stand.engine.identity
        checked = Checked(task=task, prompt=TASKS[task].label, identity=identity, statements=[statement])
        return msgspec.msgpack.encode(placed(checked, facts))

    def key(self, task: str) -> str:
        return Keys(CIPHER).key("a", TASKS[task], self.subject, self.stand.engine.identity, PACK)


async def test_all_questions_of_a_call_are_looked_for_in_one_go_and_each_is_asked_once() -> None:
    house = House()
    first = await house.get()
    again = await house.get()
    assert [outcome.state for outcome in (*first, *again)] == ["pending"] * 4
    assert house.queue.looks == [[house.key(SUMMARY), house.key(CONSIDERATIONS)]], (
        "the second call knows they are under way"
    )
    assert house.queue.asked == [(house.key(SUMMARY), SHOWN), (house.key(CONSIDERATIONS), SHOWN)]


async def test_a_job_under_way_is_asked_for_again_only_by_a_call_that_waits_for_it() -> None:
    house = House()
    house.texts.warm(house.questions(SUMMARY))
    await house.get(SUMMARY)
    house.stand.fast = True
    house.queue.makes = lambda key: house.store.seal(key, house.made(SUMMARY)) and None
    (outcome,) = await house.get(SUMMARY)
    assert [priority for _, priority in house.queue.asked] == [WARM, WAITING]
    assert outcome.state == "ready"


async def test_a_key_that_was_given_up_is_not_looked_up_at_every_call() -> None:
    house = House()
    key = house.key(SUMMARY)
    house.queue.rows[key] = State("failed", "not_json", changed_at=house.store.now())
    for _ in range(3):
        (outcome,) = await house.get(SUMMARY)
        assert (outcome.state, outcome.why) == ("failed", "not_json")
    assert len(house.queue.looks) == 1
    assert not house.queue.asked


async def test_a_key_that_was_shed_is_asked_for_again_by_the_next_call() -> None:
    house = House()
    house.queue.rows[house.key(SUMMARY)] = State("shed", "it waited too long", changed_at=house.store.now())
    (outcome,) = await house.get(SUMMARY)
    assert outcome.state == "pending"
    assert house.queue.asked == [(house.key(SUMMARY), SHOWN)]


async def test_what_the_database_holds_is_taken_into_memory_and_shown() -> None:
    house = House()
    sealed, expires_at = Store(CIPHER, ttl_s=60, clock=lambda: house.moment).seal(
        house.key(SUMMARY), house.made(SUMMARY)
    )
    house.queue.rows[house.key(SUMMARY)] = State("done", "", sealed, expires_at, house.store.now())
    for _ in range(2):
        summary, considerations = await house.get()
        assert summary.checked is not None
        assert summary.checked.statements[0].fact_ids == (house.subject.selection.facts[0].id,)
        assert considerations.state == "pending"
    assert len(house.queue.looks) == 1


async def test_a_result_read_once_is_gone_with_its_time_and_replaced_by_a_newer_one() -> None:
    house = House()
    house.store.seal(house.key(SUMMARY), house.made(SUMMARY))
    assert [(await house.get(SUMMARY))[0].state for _ in range(2)] == ["ready", "ready"]
    newer = msgspec.msgpack.decode(house.made(SUMMARY), type=Checked)
    house.store.seal(house.key(SUMMARY), msgspec.msgpack.encode(replace(newer, statements=[])))
    (outcome,) = await house.get(SUMMARY)
    assert outcome.checked is not None
    assert outcome.checked.statements == []
    house.moment += 61
    assert (await house.get(SUMMARY))[0].state == "pending"


async def test_a_database_that_does_not_answer_asks_for_nothing_and_says_so() -> None:
    house = House()
    house.queue.down = True
    assert {outcome.why for outcome in await house.get()} == {"the database does not answer"}
    assert not house.queue.asked


async def test_a_model_left_alone_costs_a_call_nothing_and_what_was_made_before_is_shown_all_the_same() -> None:
    house = House()
    house.stand.unready = ALONE
    patient = house.subject.record.person.reference
    spared = house.texts.spared("a", patient)
    assert spared is not None
    assert (spared.state, spared.why) == ("unasked", ALONE)
    house.stand.unready = ""
    assert house.texts.spared("a", patient) is None
    house.store.seal(house.key(SUMMARY), house.made(SUMMARY))
    await house.get(SUMMARY)
    house.stand.unready = ALONE
    assert house.texts.spared("a", patient) is None, "memory holds something of this patient"
    assert house.texts.spared("b", patient) is not None, "and of no other tenant's"
    summary, considerations = await house.get()
    assert (summary.state, considerations.state, considerations.why) == ("ready", "unasked", ALONE)
    house.texts.warm(house.questions())
    assert not house.queue.looks
    assert not house.queue.asked


async def test_with_the_switch_off_nothing_is_looked_up_and_in_shadow_nobody_waits() -> None:
    house = House(fast=True)
    house.ai = Switch.OFF
    assert {outcome.state for outcome in await house.get()} == {"off"}
    assert not house.queue.looks
    house.ai = Switch.SHADOW
    (outcome,) = await house.get(SUMMARY)
    assert (outcome.state, outcome.shown) == ("pending", False)
    assert house.queue.asked == [(house.key(SUMMARY), SHOWN)]


def test_marks_are_forgotten_in_time_and_when_there_are_too_many() -> None:
    moment = [0.0]
    recent = Recent(clock=lambda: moment[0], most=2)
    recent.note("a", "why", 10)
    recent.note("b", "why", 30)
    moment[0] = 11
    assert (recent.why("a"), recent.why("b")) == (None, "why")
    for mark in ("c", "d"):
        recent.note(mark)
    assert [recent.why(mark) for mark in ("b", "c", "d")] == [None, "", ""]


def test_facts_keep_their_places_whatever_their_numbers_and_one_order_serves_all_tasks_of_a_call() -> None:
    one = subject()
    again: Any = replace(one, record=one.record, question="another")
    assert ranged(TASKS[SUMMARY], one) is ranged(TASKS[CONSIDERATIONS], again)
    renumbered = [replace(fact, number=fact.number + 40) for fact in reversed(one.selection.facts)]
    other = replace(subject(), selection=replace_facts(one, renumbered))
    assert ranged(TASKS[SUMMARY], other).digest == ranged(TASKS[SUMMARY], one).digest


def replace_facts(one: Any, facts: list[Any]) -> Any:
    return type(one.selection)(facts, one.selection.left_out)
