"""What was retrieved → the fact table of one patient. Pure: no I/O, ``now`` is the only clock.

Raises WrongPatient alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, tzinfo

import msgspec
from msgspec import Raw, Struct

from cds_service.errors import WrongPatient
from cds_service.record import display, text
from cds_service.record.absences import absences, strangers
from cds_service.record.entries.allergies import allergies
from cds_service.record.entries.directives import TARGET, directives, oxygen_targets
from cds_service.record.entries.documents import documents, reports, within
from cds_service.record.entries.drafts import orders
from cds_service.record.entries.events import encounters, imaging, immunizations, procedures
from cds_service.record.entries.medications import medications
from cds_service.record.entries.patient import Whose, person
from cds_service.record.entries.problems import problems
from cds_service.record.entries.requests import requests
from cds_service.record.entries.scope import Scope
from cds_service.record.facts import Reading, Record
from cds_service.record.gathered import Answer, Gathered, gathered
from cds_service.record.observations.readings import Found, Reader
from cds_service.record.observations.series import RANK, newest_first, replaced, settle
from cds_service.record.units import table
from fhir_adapters.read.medication import MedicationView
from fhir_adapters.read.observation import ObservationView
from fhir_adapters.read.patient import PatientView
from fhir_adapters.read.resources import Resources, read


def build(
    patient_id: str,
    retrieved: Mapping[str, Answer],
    now: datetime,
    *,
    draft_orders: Raw | None = None,
    selections: Sequence[str] = (),
    expected: Collection[str] = (),
    zone: tzinfo = UTC,
    units: display.System = "conventional",
) -> Record:
    """The record of ``patient_id`` at ``now`` (aware). ``zone`` is the site's, for times written without one.

    ``units`` is the system in which values are printed; readings compute in their canonical units in both.

    ``expected`` names resource types a service wanted; each yields an Absence when it was not really found.
    """
    found = gathered(retrieved)
    patient, whose = _of_one_patient(patient_id, found)
    found.index.add((reference, url, view) for view, reference, url, _ in found.of(MedicationView))
    scope = Scope(now, zone, whose, found)
    readings = Reader(now, zone, whose).read_all(found.of(ObservationView))
    made_requests, made_problems = newest_first(requests(scope)), newest_first(problems(scope))
    goals = newest_first(directives(scope, made_problems, made_requests))
    made_reports, cut_reports = within(newest_first(reports(scope)))
    made_documents, cut_documents = within(newest_first(documents(scope)))
    usable = _settled(readings)
    targets = newest_first(oxygen_targets(goals, made_requests, readings.others))
    if targets:
        usable[TARGET] = targets
    record = Record(
        now=now,
        person=person(patient_id, patient, zone),
        readings=usable,
        others=readings.others,
        refused=newest_first(readings.refused),
        problems=made_problems,
        allergies=newest_first(allergies(scope)),
        medications=newest_first(medications(scope)),
        encounters=newest_first(encounters(scope)),
        procedures=newest_first(procedures(scope)),
        immunizations=newest_first(immunizations(scope)),
        reports=made_reports,
        documents=made_documents,
        imaging=newest_first(imaging(scope)),
        requests=made_requests,
        goals=goals,
        orders=orders(scope, draft_orders, selections),
        absences=[*absences(retrieved, expected, found.types), *strangers(scope.excluded)],
        truncated=_truncated(retrieved, cut_reports + cut_documents),
        faults=found.faults,
        excluded=scope.excluded,
    )
    number(record)
    display.put_into(units, record)
    return record


def _of_one_patient(patient_id: str, found: Gathered) -> tuple[PatientView | None, Whose]:
    """This patient and every name they go by.

    Another Patient sent by the client spoils the request (fault matrix row 14).
    """
    own, urls = None, []
    for view, _, url, prefetch in found.of(PatientView):
        if view.id == patient_id:
            own = view
            urls.append(url)
        elif prefetch and view.id is not None:
            raise WrongPatient("the prefetch holds a Patient other than context.patientId")
    return own, Whose(patient_id, urls)


def _settled(found: Found) -> dict[str, list[Reading]]:
    """Readings by concept in the order of units.toml, each series in order, one result for each measurement."""
    gone: set[int] = set()
    for group in found.identifiers.values():
        if len(group) > 1:
            gone |= _corrected(group, found.refused)
    usable = {}
    for key in table().concepts:
        series = found.usable.get(key)
        if series is not None:
            left = [r for r in series if id(r) not in gone] if gone else series
            if left:
                usable[key] = settle(left, found.refused)
    found.others = _settle_others([r for r in found.others if id(r) not in gone], found.refused)
    return usable


def _corrected(group: list[Reading], refused: list[Reading]) -> set[int]:
    """Results under one identifier: the corrected one replaces its predecessors of one moment; a series under one number stays."""
    best = max(RANK.get(r.status, 0) for r in group)
    lower = [r for r in group if RANK.get(r.status, 0) < best]
    if not lower or len({r.time for r in lower}) != 1:
        return set()
    winner = min((r for r in group if RANK.get(r.status, 0) == best), key=lambda r: r.reference)
    refused += [replaced(r, f"replaced by a {winner.status} result ({winner.reference})") for r in lower]
    return {id(r) for r in lower}


def _settle_others(others: list[Reading], refused: list[Reading]) -> list[Reading]:
    groups: dict[object, list[Reading]] = {}
    for reading in others:
        groups.setdefault(
            (reading.codes[0].system, reading.codes[0].code, reading.label) if reading.codes else reading.label, []
        ).append(reading)
    return newest_first([r for group in groups.values() for r in settle(group, refused)])


def _truncated(retrieved: Mapping[str, Answer], cut: int) -> list[str]:
    said = [text.clean(f"{a.key}: {a.truncated}", 200) for a in retrieved.values() if a.truncated]
    return said + ([f"the text of {cut} documents was cut"] if cut else [])


def number(record: Record) -> None:
    """F1 … in record order, refused readings after all others. The record is still ours alone, so its facts may be written."""
    n = 0
    write = msgspec.structs.force_setattr
    for fact in record.facts():
        n += 1
        write(fact, "number", n)
    for fact in record.refused:
        n += 1
        write(fact, "number", n)


class Whole(Struct):
    """One Bundle that holds everything, as an answer of ``gather`` would."""

    resources: list[Resources]
    key: str = "bundle"
    resource_type: str = "Bundle"
    state: str = "present"
    truncated: str = ""
    origin: str = "fhir"
    detail: str = ""


def from_bundle(body: bytes, now: datetime, patient_id: str | None = None, **options: object) -> Record:
    """The record of the patient of one Bundle: for tests, benches and the command line.

    Without ``patient_id`` the Bundle's first Patient is meant. Raises ValueError when there is none.
    """
    resources = read(body)
    if patient_id is None:
        patient_id = next((v.id for v in resources.views if isinstance(v, PatientView) and v.id), None)
        if patient_id is None:
            raise ValueError("no Patient in this Bundle")
    return build(patient_id, {"bundle": Whole([resources])}, now, **options)  # type: ignore[arg-type]
