"""Twenty thousand observations of one long stay, made on demand and the same on every start."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

import msgspec

from cds_service.web.simulator.patients.concepts import concept, hl7, quantity
from cds_service.web.simulator.patients.moments import Clock
from cds_service.web.simulator.patients.observations import measurements

TOTAL = 20_000
_HOLE = "~"
_encode = msgspec.json.Encoder(decimal_format="number").encode
_EVERY = timedelta(minutes=30)
_PANEL_EVERY = 16  # half hours: three laboratory panels a day
# Name → (middle, spread, decimals) of a stable patient on intensive care.
_VITALS = {
    "heart_rate": (84.0, 5.0, 0),
    "respiratory_rate": (17.0, 1.5, 0),
    "oxygen_saturation": (97.0, 0.8, 0),
    "systolic_bp": (124.0, 6.0, 0),
    "diastolic_bp": (70.0, 4.0, 0),
    "body_temperature": (37.1, 0.25, 1),
    "inhaled_oxygen": (21.0, 0.0, 0),
}
_LABORATORY = {
    "haemoglobin": (10.6, 0.2, 1), "leukocytes": (9.4, 0.8, 1), "platelets": (262.0, 15.0, 0),
    "sodium": (139.0, 1.5, 0), "potassium": (4.1, 0.2, 1), "chloride": (103.0, 1.5, 0), "bicarbonate": (24.0, 1.0, 0),
    "urea_nitrogen": (16.0, 2.0, 0), "creatinine": (0.9, 0.05, 2), "glucose": (128.0, 12.0, 0),
    "magnesium": (2.0, 0.1, 1), "phosphate": (3.2, 0.3, 1), "albumin": (3.1, 0.1, 1), "bilirubin_total": (0.8, 0.1, 1),
    "alt": (34.0, 4.0, 0), "ast": (31.0, 4.0, 0), "crp": (38.0, 6.0, 0), "calcium": (8.9, 0.2, 1),
    "inr": (1.1, 0.05, 1),
}  # fmt: skip
# What goes wrong in the last 48 hours: name → change from start to end.
_DECLINE = {
    "haemoglobin": -3.4,
    "heart_rate": 28.0,
    "systolic_bp": -20.0,
    "respiratory_rate": 3.0,
    "urea_nitrogen": 14.0,
}
_DECLINE_OVER = timedelta(hours=48)


def monitored_stay(patient: str, clock: Clock) -> Iterator[bytes]:
    """Exactly ``TOTAL`` Observations, oldest first, the newest ten minutes before the start clock."""
    chance = Random(patient)
    templates = {name: _template(patient, name, clock.now) for name in (*_VITALS, *_LABORATORY)}
    newest = clock.now - timedelta(minutes=10)
    number = 0
    for moment, names in reversed(list(_rounds(newest))):
        share = max(0.0, 1 - (newest - moment) / _DECLINE_OVER)
        when = moment.isoformat()
        for name in names:
            number += 1
            middle, spread, decimals = _VITALS.get(name) or _LABORATORY[name]
            value = chance.gauss(middle, spread) + share * _DECLINE.get(name, 0.0)
            value = min(value, 100.0) if name == "oxygen_saturation" else value
            head, middle_part, tail, end = templates[name]
            yield f"{head}{number}{middle_part}{value:.{decimals}f}{tail}{when}{end}".encode()


def _rounds(newest: datetime) -> Iterator[tuple[datetime, list[str]]]:
    """What is measured when, newest first, until the total is reached."""
    left = TOTAL
    step = 0
    while left:
        names = [*_VITALS, *(_LABORATORY if step % _PANEL_EVERY == 0 else ())][:left]
        yield newest - step * _EVERY, names
        left -= len(names)
        step += 1


def _template(patient: str, name: str, now: datetime) -> list[str]:
    """The JSON of one kind of Observation, in four parts: between them go number, value and time."""
    category, row = measurements()[name]
    low_high = [quantity(limit, row.unit) for limit in row.range or ()]
    limits: dict[str, Any] = {"referenceRange": [dict(zip(("low", "high"), low_high, strict=True))]} if low_high else {}
    resource: dict[str, Any] = {
        "resourceType": "Observation",
        "id": f"{patient}-obs-{_HOLE}",
        "meta": {"versionId": "1", "lastUpdated": now},
        "status": "final",
        "category": [hl7("observation-category", category)],
        "code": concept(row.text, [f"loinc {row.loinc}"]),
        "subject": {"reference": f"Patient/{patient}"},
        "valueQuantity": {**quantity(0, row.unit), "value": _HOLE},
        **limits,
        "effectiveDateTime": _HOLE,
    }
    text = _encode(resource).decode().replace(f'"value":"{_HOLE}"', f'"value":{_HOLE}')
    return text.split(_HOLE)
