"""Keys change with everything a result depends on; what was sealed under one opens nowhere else; snapshots come back whole."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from cds_service.assessments import snapshot
from cds_service.assessments.key import Keys
from cds_service.assessments.store import Store
from cds_service.assessments.task import Subject
from cds_service.assessments.tasks import load_tasks
from cds_service.encryption import Cipher
from cds_service.models.engine import Identity
from cds_service.models.prompting import templates
from cds_service.models.prompting.record_inputs import inputs
from cds_service.record import salience
from cds_service.record.build import from_bundle
from cds_service.record.facts import Absence, Reason
from cds_service.rules.catalogue import Switch
from cds_service.rules.evaluate import evaluate_record, switched_on
from cds_service.rules.pack import load_pack
from tests.conformance import bodies

CIPHER = Cipher([bytes(32)])
PACK = load_pack()
TASK = load_tasks(templates.load())["record-summary"]
IDENTITY = Identity("openai", "double", "1")
NOW = datetime.now(UTC)
POTASSIUM = bodies.potassium()
NAMES = st.text(max_size=12)


def subject(*, now: datetime = NOW, **changed: Any) -> Subject:
    """A chart with one potassium."""
    entries = [{"resource": bodies.patient()}, {"resource": {**POTASSIUM, **changed}}]
    body = json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}).encode()
    record = from_bundle(body, now)
    findings = switched_on(evaluate_record(PACK, record))
    return Subject(record=record, selection=salience.rank(record, 24), findings=findings, zone=ZoneInfo("UTC"))


def key(tenant: str = "a", **changed: Any) -> str:
    """A key with one thing changed."""
    given_ = {"task": TASK, "subject": subject(), "identity": IDENTITY, "pack": PACK} | changed
    return Keys(CIPHER).key(tenant, **given_)


def test_row_60_any_change_of_data_prompt_engine_or_rules_gives_another_key() -> None:
    class Reworded:
        name, label, offered = TASK.name, TASK.label + "x", TASK.offered

    rule = next(iter(PACK.rules))
    value = {**POTASSIUM["valueQuantity"], "value": 7.2}
    keys = [
        key(),
        key(subject=subject(valueQuantity=value)),
        key(subject=replace(subject(), question="Why?")),
        key(task=Reworded()),
        key(identity=Identity("openai", "double", "2")),
        key(identity=Identity("vertex", "double", "1")),
        key(pack=replace(PACK, hash="another")),
        key(pack=PACK.switched({rule: Switch.SHADOW})),
        key(tenant="b"),
    ]
    assert len(set(keys)) == len(keys)
    assert key() == keys[0]


def test_row_60_whatever_a_prompt_is_told_beside_its_facts_changes_the_key() -> None:
    before = subject()
    known = {"age", "sex", "now", "facts", "absent", "left_out", "fact_ids"}
    assert inputs(before.record, before.selection, before.zone).keys() == known, "what is new here belongs into the key"
    person, absent = before.record.person, Absence("Condition", Reason.FAILED)
    fewer = salience.Selection(before.selection.facts, before.selection.left_out + Counter({"problems": 1}))
    changed = [
        changed_record(person=replace(person, birth_date=date(1999, 1, 1))),
        changed_record(person=replace(person, sex="other")),
        changed_record(absences=[*before.record.absences, absent]),
        changed_record(absences=[*before.record.absences, replace(absent, reason=Reason.STALE)]),
        replace(subject(), selection=fewer),
        replace(subject(), findings=[]),
        replace(subject(), zone=ZoneInfo("Europe/Berlin")),
    ]
    keys = [key(subject=before), *(key(subject=each) for each in changed)]
    assert len(set(keys)) == len(keys)


def changed_record(**changed: Any) -> Subject:
    fresh = subject()
    return replace(fresh, record=replace(fresh.record, **changed))


def test_the_key_turns_with_the_day_and_not_with_the_minute() -> None:
    noon = NOW.replace(hour=12, minute=0)
    later, tomorrow = noon + timedelta(minutes=1), noon + timedelta(days=1)
    assert key(subject=subject(now=noon)) == key(subject=subject(now=later))
    assert key(subject=subject(now=noon)) != key(subject=subject(now=tomorrow))


@given(NAMES, NAMES)
def test_row_63_two_tenants_never_share_a_key_and_never_open_each_others_results(tenant: str, other: str) -> None:
    one, two = key(tenant), key(other)
    assert (one == two) == (tenant == other)
    sealed, expires_at = Store(CIPHER, ttl_s=60).seal(one, b"result")
    reader = Store(CIPHER, ttl_s=60)
    assert reader.take(one, sealed, expires_at) == b"result"
    if one != two:
        assert reader.take(two, sealed, expires_at) is None
        assert reader.held(two) is None


def test_a_snapshot_gives_the_same_subject_and_so_the_same_key() -> None:
    before = subject()
    shot = snapshot.decode(snapshot.encode(snapshot.of("a", TASK.name, before)))
    after = snapshot.subject(shot, PACK)
    assert after.record == before.record
    assert key(subject=after) == key(subject=before)


def test_a_result_is_gone_when_its_time_is_over_and_memory_stays_within_its_bounds() -> None:
    moment = [1000.0]
    store = Store(CIPHER, ttl_s=60, clock=lambda: moment[0], most=2)
    for name in ("k1", "k2", "k3"):
        store.seal(name, b"result")
    assert [store.held(name) for name in ("k1", "k2", "k3")] == [None, b"result", b"result"]
    moment[0] += 61
    assert store.held("k3") is None
