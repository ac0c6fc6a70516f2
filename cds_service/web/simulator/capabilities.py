"""What the server says of itself: the CapabilityStatement."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any

import msgspec

from cds_service.web.simulator.search_parameters import Parameter, parameters

_INTERACTIONS = ("read", "vread", "search-type", "create", "update", "delete")


def statement(base: str, now: datetime) -> bytes:
    """The R4 CapabilityStatement of this server, made from its search parameter table."""
    return _statement(base, now.date().isoformat())


@lru_cache(maxsize=8)
def _statement(base: str, date: str) -> bytes:
    rest = {
        "mode": "server",
        "security": {"cors": True, "description": "None: everything in here is made up."},
        "resource": [_resource(name, rows) for name, rows in parameters().items()],
        "interaction": [{"code": "transaction"}, {"code": "batch"}],
    }
    return msgspec.json.encode(
        {
            "resourceType": "CapabilityStatement",
            "status": "active",
            "date": date,
            "kind": "instance",
            "software": {"name": "MedGemma CDS EHR simulator"},
            "implementation": {"description": "Made-up patients in memory, for demonstration", "url": base},
            "fhirVersion": "4.0.1",
            "format": ["json", "application/fhir+json"],
            "rest": [rest],
        }
    )


def _resource(name: str, rows: Mapping[str, Parameter]) -> dict[str, Any]:
    common = [{"name": "_id", "type": "token"}, {"name": "_lastUpdated", "type": "date"}]
    includes = [f"{name}:{row.name}" for row in rows.values() if row.kind == "reference"]
    return {
        "type": name,
        "interaction": [{"code": code} for code in _INTERACTIONS],
        "versioning": "versioned-update",
        "readHistory": True,
        "updateCreate": True,
        "conditionalCreate": True,
        "conditionalRead": "not-match",
        "conditionalUpdate": True,
        **({"searchInclude": includes} if includes else {}),
        "searchParam": common + [{"name": row.name, "type": row.kind} for row in rows.values()],
    }
