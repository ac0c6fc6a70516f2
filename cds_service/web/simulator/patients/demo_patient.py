"""The demo patients as the rest of the house sees them."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from msgspec import Struct

from cds_service.web.simulator.patients.chart import Chart
from cds_service.web.simulator.patients.many import monitored_stay
from cds_service.web.simulator.patients.moments import Clock

_ORDER = (
    "demo-sepsis", "demo-aki-contrast", "demo-penicillin-allergy", "demo-hyperkalaemia", "demo-child", "demo-pregnancy",
    "demo-ckd-metformin", "demo-af", "demo-pneumonia", "demo-healthy", "demo-dirty", "demo-many",
)  # fmt: skip
_encode = msgspec.json.Encoder(decimal_format="number").encode


class DemoPatient(Struct, frozen=True, kw_only=True):
    """One made-up patient. ``resources`` are JSON as the FHIR server stores it, numbers as the chart writes them."""

    id: str
    who: str  # 'Demo, Sepsis · female, 71 years'
    title: str
    story: str
    expect: tuple[str, ...]  # in words: what the cards should say
    resources: tuple[bytes, ...]
    more: Callable[[], Iterable[bytes]] | None = None  # further Observations, made when somebody asks for them
    draft_orders: dict[str, Any] | None = None  # Bundle for context.draftOrders of order-select and order-sign
    selections: tuple[str, ...] = ()  # context.selections of order-select
    invalid: tuple[str, ...] = ()  # ids of resources that break R4 on purpose
    encounter: str = ""  # context.encounterId, '' where the patient is not in an encounter


def load_patients(now: datetime) -> list[DemoPatient]:
    """Every demo patient, with the times of the charts resolved against ``now`` (aware)."""
    clock = Clock(now)
    return [_patient(name, clock, now) for name in _ORDER]


def practitioners(now: datetime) -> list[bytes]:
    """The practitioners the charts and the CDS Hooks Sandbox name."""
    rows = (("COREPRACTITIONER1", "Core"), ("demo-practitioner", "Practitioner"))
    return [
        _stored({"resourceType": "Practitioner", "id": own_id, "active": True,
                 "name": [{"family": "Demo", "given": [given]}]}, now)
        for own_id, given in rows
    ]  # fmt: skip


def _patient(name: str, clock: Clock, now: datetime) -> DemoPatient:
    row = _file(name)
    chart = Chart(name, row, clock)
    drafts = chart.draft_orders()
    orders = [entry["resource"] for entry in drafts["entry"]] if drafts else []
    return DemoPatient(
        id=name,
        who=_who(row["person"]),
        title=row["title"],
        story=row["story"].strip(),
        expect=tuple(row["expect"]),
        resources=tuple(_stored(resource, now) for resource in chart.resources()),
        more=(lambda: monitored_stay(name, clock)) if "monitored" in row else None,
        draft_orders=msgspec.json.decode(_encode(drafts)) if drafts else None,
        selections=tuple(f"{order['resourceType']}/{order['id']}" for order in orders[:1]),
        invalid=tuple(row.get("invalid", ())),
        encounter=chart.encounter,
    )


def _who(person: dict[str, Any]) -> str:
    age = person["age"].replace("mo", " months").replace("y", " years")
    return f"Demo, {person['given']} · {person['sex']}, {age}"


@cache
def _file(name: str) -> dict[str, Any]:
    text = files(__package__).joinpath(f"{name}.toml").read_text(encoding="utf-8")
    return tomllib.loads(text, parse_float=Decimal)


def _stored(resource: dict[str, Any], now: datetime) -> bytes:
    """The resource as version 1 of the store."""
    meta = {"versionId": "1", "lastUpdated": now, **resource.get("meta", {})}
    head = {"resourceType": resource["resourceType"], "id": resource["id"], "meta": meta}
    return _encode(head | {name: value for name, value in resource.items() if name not in head})
