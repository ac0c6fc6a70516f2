"""The page that lists the patients: who they are, why to look, what to type."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from cds_service.web.simulator.patients import DemoPatient
from cds_service.web.simulator.store import Store

if TYPE_CHECKING:
    from jinja2 import Template

_STANDARD_SERVICE = "http://127.0.0.1:8000"  # where `medgemma-cds call` looks by itself
_LISTS = (
    ("Encounter", "date"), ("Observation", "date"), ("Condition", "recorded-date"), ("AllergyIntolerance", "date"),
    ("MedicationRequest", "authoredon"), ("ImagingStudy", "started"), ("DiagnosticReport", "date"),
)  # fmt: skip


class _Row(Struct, frozen=True):
    """One patient as the template prints it."""

    id: str
    who: str
    commands: Sequence[tuple[str, str]]  # hook, command line
    links: Sequence[tuple[str, str]]
    patient: DemoPatient | None


def render(base: str, fhir_path: str, patients: Sequence[DemoPatient], store: Store) -> str:
    """The page as HTML. ``base`` is the service's address; everything is escaped by the template."""
    known = {patient.id for patient in patients}
    rows = [_row(base, fhir_path, patient.id, patient.who, patient, store) for patient in patients]
    loaded = [
        _row(base, fhir_path, row.id, _name(row.body), None, store)
        for row in store.compartment("Patient").rows.values()
        if row.id not in known
    ]
    return _template().render(patients=rows, loaded=loaded, fhir=base + fhir_path)


def _row(base: str, fhir_path: str, own_id: str, who: str, patient: DemoPatient | None, store: Store) -> _Row:
    links = [("Patient", f"fhir/Patient/{own_id}")]
    for resource_type, date in _LISTS:
        if resource_type == "Observation" or store.compartment(resource_type, own_id).rows:
            links.append((resource_type, f"fhir/{resource_type}?patient={own_id}&_sort=-{date}"))
    return _Row(own_id, who, _commands(base, fhir_path, own_id, patient), links, patient)


def _commands(base: str, fhir_path: str, own_id: str, patient: DemoPatient | None) -> list[tuple[str, str]]:
    where = "" if base == _STANDARD_SERVICE else f" --service-url {base}"
    rest = f"--patient {own_id} --fhir {base}{fhir_path}{where}"
    commands = [("patient-view", f"medgemma-cds call patient-view {rest}")]
    if patient is not None and patient.draft_orders:
        file = f"{own_id}-orders.json"
        fetch = f"curl -s {base}/simulator/patients/{own_id}/draft-orders -o {file}"
        commands.append(("order-sign", f"{fetch} && medgemma-cds call order-sign {rest} --orders {file}"))
    return commands


def _name(body: bytes) -> str:
    names: list[dict[str, Any]] = msgspec.json.decode(body).get("name") or [{}]
    return ", ".join(part for part in (names[0].get("family", ""), " ".join(names[0].get("given", []))) if part)


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("patients.html.j2")
