"""A chart file expanded to R4 resources: each section of the file has one small constructor."""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from cds_service.web.simulator.patients.concepts import coding, concept, dicom_uid, dosage, hl7
from cds_service.web.simulator.patients.moments import Clock
from cds_service.web.simulator.patients.observations import measurements, observation

Resource = dict[str, Any]
PRACTITIONER = {"reference": "Practitioner/demo-practitioner"}
_ORDER_CATEGORIES = {
    "imaging": ("Imaging", "snomed 363679005"),
    "laboratory": ("Laboratory procedure", "snomed 108252007"),
}
_CLASSES = {"EMER": "emergency", "IMP": "inpatient encounter", "AMB": "ambulatory"}


class Chart:
    """Expands one chart. ``patient`` is the patient's id; every resource id starts with it."""

    def __init__(self, patient: str, chart: Mapping[str, Any], clock: Clock) -> None:
        self.patient = patient
        self.chart = chart
        self.clock = clock
        self.encounter = f"{patient}-{chart['encounter']}" if "encounter" in chart else ""
        self._numbers: Counter[str] = Counter()

    def resources(self) -> Iterator[Resource]:
        """The Patient first, then every section in the order of its name here."""
        yield self._person(self.chart["person"])
        for section, construct in (
            ("encounters", self._encounter),
            ("problems", self._problem),
            ("allergies", self._allergy),
            ("medications", self._medication),
            ("procedures", self._procedure),
            ("immunizations", self._immunization),
            ("imaging", self._imaging),
            ("reports", self._report),
            ("documents", self._document),
            ("requests", self._request),
        ):
            for row in self.chart.get(section, ()):
                yield from construct(row)
        for row in self.chart.get("measured", ()):
            yield from self._measured(row)
        for resource in self.chart.get("resources", ()):
            yield self._raw(resource)

    def draft_orders(self) -> Resource | None:
        """The Bundle of ``context.draftOrders``, None where the chart orders nothing."""
        orders = [self._order(row) for row in self.chart.get("orders", ())]
        if not orders:
            return None
        return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": order} for order in orders]}

    def _raw(self, row: Mapping[str, Any]) -> Resource:
        """A resource the chart writes out itself; ``filed`` names the category of an Observation."""
        resource: Resource = self.clock.resolve(dict(row))
        filed = resource.pop("filed", "")
        return {**resource, **({"category": [hl7("observation-category", filed)]} if filed else {})}

    def _new(self, resource_type: str, kind: str, *, subject: str = "subject") -> Resource:
        self._numbers[kind] += 1
        return {
            "resourceType": resource_type,
            "id": f"{self.patient}-{kind}-{self._numbers[kind]}",
            subject: {"reference": f"Patient/{self.patient}"},
        }

    def _within(self) -> Resource:
        return {"encounter": {"reference": f"Encounter/{self.encounter}"}} if self.encounter else {}

    def _person(self, row: Mapping[str, Any]) -> Resource:
        return {
            "resourceType": "Patient",
            "id": self.patient,
            "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActReason", "code": "HTEST"}]},
            "identifier": [{"system": "https://example.org/demo-patients", "value": self.patient.upper()}],
            "active": True,
            "name": [{"use": "official", "family": "Demo", "given": [row["given"]]}],
            "telecom": [{"system": "phone", "value": "555-0100"}],
            "gender": row["sex"],
            "birthDate": self.clock.birth_date(row["age"]).isoformat(),
            "address": [{"line": ["1 Example Street"], "city": "Demo"}],
        }

    def _encounter(self, row: Mapping[str, Any]) -> Iterator[Resource]:
        end = {"end": self.clock.at(row["end"])} if "end" in row else {}
        act = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
        yield {
            "resourceType": "Encounter",
            "id": f"{self.patient}-{row['id']}",
            "status": "finished" if end else "in-progress",
            "class": {"system": act, "code": row["class"], "display": _CLASSES[row["class"]]},
            "subject": {"reference": f"Patient/{self.patient}"},
            "participant": [{"individual": PRACTITIONER}],
            "period": {"start": self.clock.at(row["start"]), **end},
            "reasonCode": [concept(row["reason"])],
        }

    def _problem(self, row: Mapping[str, Any]) -> Iterator[Resource]:
        category = row.get("category", "problem-list-item")
        yield {
            **self._new("Condition", "problem"),
            "clinicalStatus": hl7("condition-clinical", row.get("clinical", "active")),
            "verificationStatus": hl7("condition-ver-status", row.get("verification", "confirmed")),
            "category": [hl7("condition-category", category)],
            "code": concept(row["text"], row.get("codes", ())),
            **(self._within() if category == "encounter-diagnosis" else {}),
            "onsetDateTime": self.clock.day(row["onset"]),
            **({"abatementDateTime": self.clock.day(row["end"])} if "end" in row else {}),
            "recordedDate": self.clock.day(row["onset"]),
        }

    def _allergy(self, row: Mapping[str, Any]) -> Iterator[Resource]:
        reaction: Resource = {}
        if "reaction" in row:
            manifestation = [concept(row["reaction"], row.get("reaction_codes", ()))]
            severity = {"severity": row["severity"]} if "severity" in row else {}
            reaction = {"reaction": [{"manifestation": manifestation, **severity}]}
        yield {
            **self._new("AllergyIntolerance", "allergy", subject="patient"),
            "clinicalStatus": hl7("allergyintolerance-clinical", row.get("clinical", "active")),
            "verificationStatus": hl7("allergyintolerance-verification", row.get("verification", "confirmed")),
            **{name: row[name] for name in ("type", "criticality") if name in row},
            **({"category": ["medication"]} if row.get("medication", True) else {}),
            "code": concept(row["text"], row.get("codes", ())),
            "recordedDate": self.clock.day(row["recorded"]),
            **reaction,
        }

    def _medication(self, row: Mapping[str, Any]) -> Iterator[Resource]:
        if row.get("as", "request") == "statement":
            yield {
                **self._new("MedicationStatement", "statement"),
                "status": row.get("status", "active"),
                "medicationCodeableConcept": concept(row["text"], row.get("codes", ())),
                "effectivePeriod": {"start": self.clock.day(row["since"])},
                "dateAsserted": self.clock.day(row["since"]),
                "dosage": [dosage(row)],
            }
            return
        request = self._new("MedicationRequest", "medication")
        drug: Resource = {"medicationCodeableConcept": concept(row["text"], row.get("codes", ()))}
        if row.get("as") == "reference":  # the drug stands in a resource of its own, as some records keep it
            own_id = f"{request['id']}-drug"
            yield {"resourceType": "Medication", "id": own_id, "code": drug["medicationCodeableConcept"]}
            drug = {"medicationReference": {"reference": f"Medication/{own_id}", "display": row["text"]}}
        yield {
            **request,
            "status": row.get("status", "active"),
            "intent": "order",
            **drug,
            "authoredOn": self.clock.day(row["since"]),
            "requester": PRACTITIONER,
            "dosageInstruction": [dosage(row)],
        }

    def _procedure(self, row: Mapping[str, Any]) -> Iterator[Resource]:
        yield {
            **self._new("Procedure", "procedure"),
            "status": "completed",
            "code": concept(row["text"], row.get("codes", ())),
            "performedDateTime": self.clock.at(row["at"]),
        }

    def _immunization(self, row: Mapping[str, Any]) -> Iterator[Resource]:
        yield {
            **self._new("Immunization", "immunization", subject="patient"),
            "status": "completed",
            "vaccineCode": concept(row["text"]),
            "occurrenceDateTime": self.clock.day(row["at"]),
        }

    def _imaging(self, row: Mapping[str, Any]) -> Iterator[Resource]:
        study = self._new("ImagingStudy", "imaging")
        modality = coding(f"dicom {row['modality']}")
        sop_class = {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{row['sop_class']}"}
        site = {"bodySite": {**coding(row["body_site"][1]), "display": row["body_site"][0]}}
        instance = {"uid": dicom_uid(f"{study['id']}/instance"), "sopClass": sop_class, "number": 1}
        series = {"uid": dicom_uid(f"{study['id']}/series"), "number": 1, "modality": modality, **site}
        yield {
            **study,
            "identifier": [{"system": "urn:dicom:uid", "value": f"urn:oid:{dicom_uid(study['id'])}"}],
            "status": "available",
            "modality": [modality],
            **self._within(),
            "started": self.clock.at(row["at"]),
            "numberOfSeries": 1,
            "numberOfInstances": 1,
            "procedureCode": [concept(row["text"], row.get("codes", ()))],
            "description": row["text"],
            "series": [{**series, "numberOfInstances": 1, "instance": [instance]}],
        }

    def _report(self, row: Mapping[str, Any]) -> Iterator[Resource]:
        yield {
            **self._new("DiagnosticReport", "report"),
            "status": row.get("status", "final"),
            "category": [hl7("v2-0074", row["category"])],
            "code": concept(row["text"], row.get("codes", ())),
            "effectiveDateTime": self.clock.at(row["at"]),
            "issued": self.clock.at(row["at"]),
            "conclusion": row["conclusion"],
        }

    def _document(self, row: Mapping[str, Any]) -> Iterator[Resource]:
        data = base64.b64encode(row["note"].encode()).decode()
        yield {
            **self._new("DocumentReference", "document"),
            "status": "current",
            "type": concept(row["text"]),
            "date": self.clock.at(row["at"]),
            "content": [{"attachment": {"contentType": "text/plain; charset=utf-8", "data": data}}],
        }

    def _request(self, row: Mapping[str, Any]) -> Iterator[Resource]:
        placed = self._new("ServiceRequest", "request")
        yield {
            **placed,
            "status": row.get("status", "active"),
            **self._service(row),
            "authoredOn": self.clock.at(row["at"]),
        }

    def _service(self, row: Mapping[str, Any]) -> Resource:
        return {
            "intent": "order",
            "category": [concept(words, [code]) for words, code in [_ORDER_CATEGORIES[row["category"]]]],
            **({"priority": row["priority"]} if "priority" in row else {}),
            "code": concept(row["text"], row.get("codes", ())),
            **self._within(),
            "requester": PRACTITIONER,
            "reasonCode": [concept(row["reason"])],
            **({"bodySite": [concept(row["body_site"][0], [row["body_site"][1]])]} if "body_site" in row else {}),
        }

    def _order(self, row: Mapping[str, Any]) -> Resource:
        written = {"authoredOn": self.clock.at("-2min")}
        if "dose" not in row:
            return {**self._new("ServiceRequest", "order"), "status": "draft", **self._service(row), **written}
        return {
            **self._new("MedicationRequest", "order"),
            "status": "draft",
            "intent": "order",
            "medicationCodeableConcept": concept(row["text"], row.get("codes", ())),
            **self._within(),
            "requester": PRACTITIONER,
            "reasonCode": [concept(row["reason"])],
            "dosageInstruction": [dosage(row)],
            **written,
        }

    def _measured(self, row: Mapping[str, Any]) -> Iterator[Resource]:
        at = self.clock.moment(row["at"])
        ranges = self.chart.get("ranges", {})
        for name, written in row.items():
            if name in {"at", "here"}:
                continue
            if measurements()[name][1].day:
                written = self.clock.day(written)
            yield {
                **self._new("Observation", name.replace("_", "-")),
                **dict(observation(name, written, ranges)),
                **(self._within() if row.get("here") else {}),
                "effectiveDateTime": at.isoformat(),
            }
