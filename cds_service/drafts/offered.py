"""The report of a draft as one resource that stands alone: what a client creates from a suggestion.

Nothing else is written then, so what the report refers to in the transaction is contained in it: the Device, the Provenance
(of the report itself, '#'), prompts and model card. The findings stay in its words alone. Contained resources bear no ``meta``
(R4 references.html#contained, dom-4 and dom-5).
"""

from __future__ import annotations

from typing import Any

from cds_service.drafts.draft import Draft
from fhir_adapters.write.elements import Json

CONTAINED = ("Device", "DocumentReference", "Provenance")


def report(draft: Draft) -> Json:
    """The DiagnosticReport with what it needs; no reference in it leads into a Bundle the client never sees."""
    entries = draft.entries()
    own = next(each for each in entries if each["resource"]["resourceType"] == "DiagnosticReport")
    inner = [each for each in entries if each["resource"]["resourceType"] in CONTAINED]
    places = {each["fullUrl"]: f"#{number}" for number, each in enumerate(inner, start=1)} | {own["fullUrl"]: "#"}
    made: Json = _pointed({key: value for key, value in own["resource"].items() if key != "result"}, places)
    contained = [_pointed({**_bare(each["resource"]), "id": places[each["fullUrl"]][1:]}, places) for each in inner]
    for each in contained:
        if each["resourceType"] == "Provenance":
            each["target"] = [{"reference": "#"}]
    return {"resourceType": made.pop("resourceType"), "contained": contained, **made}


def _bare(resource: Json) -> Json:
    return {key: value for key, value in resource.items() if key != "meta"}


def _pointed(node: Any, places: dict[str, str]) -> Any:
    """References that lead to an entry of the Bundle lead to what is contained."""
    if isinstance(node, list):
        return [_pointed(each, places) for each in node]
    if not isinstance(node, dict):
        return node
    return {
        key: places.get(value, value) if key == "reference" else _pointed(value, places) for key, value in node.items()
    }
