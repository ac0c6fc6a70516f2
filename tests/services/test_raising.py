"""The priority to suggest, over orders × categories × findings: never below the order's own, never below the floor."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import cache

from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw
from msgspec.structs import replace

from cds_service.assessments.task import Checked
from cds_service.assessments.texts import Outcome
from cds_service.grounding.statement import Statement
from cds_service.models.engine import Identity
from cds_service.record.build import from_bundle
from cds_service.record.facts import Order, Record
from cds_service.rules.catalogue import Switch
from cds_service.rules.evaluate import evaluate_record
from cds_service.rules.pack import load_pack
from cds_service.rules.triage import PRIORITIES, RULE, urgency_floor
from cds_service.services.assessed import Opinion
from cds_service.services.raising import suggest
from tests.conformance import bodies
from tests.services.test_orders_with_a_model import draft

PACK = load_pack()
_rule = PACK.rules[RULE]
WITHOUT_ASAP = replace(
    PACK,
    rules={
        **PACK.rules,
        RULE: replace(_rule, given=replace(_rule.given, priority={**_rule.given.priority, "asap": "urgent"})),
    },
)
PACKS = [PACK, WITHOUT_ASAP, PACK.switched({RULE: Switch.SHADOW}), PACK.switched({RULE: Switch.OFF})]
NOW = datetime.now(UTC)
SAID = Statement(text="Potassium 7.1 mmol/L.", fact_ids=("F1",))


@cache
def chart(potassium: str, own: str, text: str) -> tuple[Record, Order]:
    """A record with one potassium and one draft."""
    resources = bodies.bundle(bodies.patient(), bodies.potassium(potassium), kind="collection")
    drafts = bodies.bundle(draft(own, text=text), kind="collection")
    record = from_bundle(json.dumps(resources).encode(), NOW, draft_orders=Raw(json.dumps(drafts).encode()))
    return record, record.orders[0]


@st.composite
def outcomes(draw: st.DrawFn, *, provisional: bool) -> Outcome:
    """Everything that can become of a question to a model."""
    checked = Checked(
        task="triage-label" if provisional else "triage",
        prompt="triage@1 sha256:0",
        identity=Identity("openai", "double", "1"),
        category=draw(st.sampled_from(["", "nonsense", *PRIORITIES])),
        provisional=provisional,
        statements=draw(st.sampled_from([[], [SAID]])) if not provisional else [],
        discarded=draw(st.sampled_from(["", "it did not agree"])),
    )
    state = draw(st.sampled_from(["ready", "pending", "failed", "off"]))
    return Outcome(
        task=checked.task, state=state, checked=checked if state == "ready" else None, shown=draw(st.booleans())
    )


@given(
    potassium=st.sampled_from(["4.1", "5.8", "6.3", "7.1"]),
    own=st.sampled_from(["", *PRIORITIES]),
    text=st.sampled_from(["Basic metabolic panel", "Screening mammography"]),
    pack=st.sampled_from(PACKS),
    final=outcomes(provisional=False),
    label=outcomes(provisional=True),
    labels=st.booleans(),
)
def test_the_model_may_raise_and_never_lower(
    potassium: str, own: str, text: str, pack: object, final: Outcome, label: Outcome, labels: bool
) -> None:
    record, order = chart(potassium, own, text)
    findings = evaluate_record(pack, record)  # type: ignore[arg-type]
    floor = urgency_floor(pack, findings, order)  # type: ignore[arg-type]
    review = Outcome(task="order-review", state="off")
    opinion = Opinion(order=order, triage=final, label=label, review=review)
    bare = suggest(pack, findings, order, None, labels=labels)  # type: ignore[arg-type]
    found = suggest(pack, findings, order, opinion, labels=labels)  # type: ignore[arg-type]
    rank = PRIORITIES.__getitem__

    assert (bare.priority if bare else "") == floor.priority
    if found is None:
        assert bare is None
        return
    assert rank(found.priority) > rank(own or "routine"), "a suggestion never lowers, and never repeats, what is set"
    assert not bare or rank(found.priority) >= rank(bare.priority), "what the rules ask for stands"
    assert found.floor == floor.priority
    if found.model is None:
        assert found.priority == floor.priority
        return
    assert rank(found.priority) > rank(floor.priority or "routine")
    assert not found.model.discarded
    assert found.model.statements or (found.model.provisional and labels)
    source = label if found.model.provisional else final
    assert source.shown
    assert source.state == "ready"
