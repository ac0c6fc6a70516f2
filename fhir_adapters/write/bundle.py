"""The transaction that files a draft (https://hl7.org/fhir/R4/http.html#transaction): all of it, or nothing.

Creates are conditional on our identifier. Provenance and AuditEvent have no identifier in R4: theirs is a tag, which every
type can be searched by (https://hl7.org/fhir/R4/search.html#all).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fhir_adapters.write.checks import check
from fhir_adapters.write.elements import IDENTIFIERS, Json, Nonsense, coding, urn


def create(full_url: str, resource: Json) -> Json:
    """An entry that creates the resource unless one with our identifier is there, or with our tag where it has none."""
    check(resource)
    request = {"method": "POST", "url": resource["resourceType"]}
    for ours in resource.get("identifier", ()):
        request["ifNoneExist"] = f"identifier={ours['system']}|{ours['value']}"
    if "ifNoneExist" not in request:
        tag = coding(IDENTIFIERS, urn(full_url))
        resource = {**resource, "meta": {**resource.get("meta", {}), "tag": [tag]}}
        request["ifNoneExist"] = f"_tag={tag['system']}|{tag['code']}"
    return {"fullUrl": urn(full_url), "resource": resource, "request": request}


def update(resource: dict[str, Any], version: str) -> Json:
    """An entry that replaces exactly this version of a resource of the record, with whatever the record added to it."""
    if not version:
        raise Nonsense("ifMatch: an update says which version it replaces")
    kind, own_id = resource["resourceType"], resource["id"]
    request = {"method": "PUT", "url": f"{kind}/{own_id}", "ifMatch": f'W/"{version}"'}
    return {"resource": resource, "request": request}


def transaction(entries: Sequence[Json]) -> Json:
    """The Bundle."""
    if not entries:
        raise Nonsense("entry: a transaction writes something")
    return {"resourceType": "Bundle", "type": "transaction", "entry": list(entries)}
