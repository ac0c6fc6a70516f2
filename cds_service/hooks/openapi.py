"""The OpenAPI description of the hook routes: what this service really reads and writes, one path per service.

Requests are described as the specification wants them from clients; what is accepted beyond that (request.py) is
leniency, not a promise. Schemas of answers come from the wire types.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cds_service.hooks.outcomes import MEDIA_TYPE, OperationOutcome
from cds_service.hooks.protocol import Response, Services
from cds_service.hooks.request import LONGEST_INSTANCE, NEEDS_ENCOUNTER, NEEDS_ORDERS
from cds_service.services.service import Service

FHIR_ID = r"^[A-Za-z0-9\-.]{1,64}$"
USER_ID = r"^[A-Z][A-Za-z]{0,63}/[A-Za-z0-9\-.]{1,64}$"
ERRORS = {
    400: "The body breaks the specification, or asks for something unsafe",
    401: "No valid client token (no reason is given)",
    403: "A known client that may not do this",
    404: "No such service, or it is switched off",
    412: "Required prefetch data neither sent nor obtainable",
    413: "The body is too large",
    415: "The body is not JSON in UTF-8",
    429: "This client is over its share; see Retry-After",
    503: "Overloaded, or a needed part is down; see Retry-After",
}
Schema = dict[str, Any]


def discovery() -> Schema:
    """Arguments for the discovery route."""
    return {
        "operation_id": "discovery",
        "summary": "CDS services offered here",
        "responses": {200: {"description": "The services", **_json(_schema(Services))}},
    }


def invocation(service: Service) -> Schema:
    """Arguments for ``POST /cds-services/{id}``."""
    return {
        "operation_id": f"call_{service.id}",
        "summary": f"{service.title} ({service.hook})",
        "description": service.description,
        "responses": {
            200: {"description": "Cards; none: looked, nothing to say", **_json(_schema(Response))},
            **_errors(),
        },
        "openapi_extra": {"requestBody": {"required": True, **_json(request(service))}},
    }


def feedback(service: Service) -> Schema:
    """Arguments for ``POST /cds-services/{id}/feedback``."""
    statuses = {status: answer for status, answer in _errors().items() if status != 412}
    return {
        "operation_id": f"feedback_{service.id}",
        "summary": f"Feedback on cards of {service.id}",
        "responses": {200: {"description": "Taken"}, **statuses},
        "openapi_extra": {"requestBody": {"required": True, **_json(_FEEDBACK)}},
    }


def request(service: Service) -> Schema:
    """JSON Schema of the hook request of one service."""
    context: Schema = {
        "patientId": {"type": "string", "pattern": FHIR_ID},
        "userId": {"type": "string", "pattern": USER_ID},
        "encounterId": {"type": "string", "pattern": FHIR_ID},
    }
    required = ["patientId", "userId"]
    if service.hook in NEEDS_ENCOUNTER:
        required.append("encounterId")
    if service.hook in NEEDS_ORDERS:
        context["draftOrders"] = {"type": "object", "description": "FHIR Bundle of draft orders"}
        required.append("draftOrders")
    if service.hook == "order-select":
        context["selections"] = {"type": "array", "items": {"type": "string"}}
        required.append("selections")
    resource = {"type": ["object", "null"], "description": "FHIR resource, Bundle of a search, or null for no data"}
    members: Schema = {
        "hook": {"const": service.hook},
        "hookInstance": {"type": "string", "format": "uuid", "minLength": 1, "maxLength": LONGEST_INSTANCE},
        "context": {"type": "object", "properties": context, "required": required},
        "prefetch": {"type": "object", "properties": dict.fromkeys(service.prefetch, resource)},
        "fhirServer": {"type": "string", "format": "uri"},
        "fhirAuthorization": _AUTHORIZATION,
        "extension": {"type": "object"},
    }
    return {
        "type": "object",
        "properties": members,
        "required": ["hook", "hookInstance", "context"],
        "dependentRequired": {"fhirAuthorization": ["fhirServer"]},
    }


def _errors() -> dict[int | str, Schema]:
    outcome = {"content": {MEDIA_TYPE: {"schema": _schema(OperationOutcome)}}}
    seconds = {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}}
    return {
        status: {"description": text, **outcome, **(seconds if status in (429, 503) else {})}
        for status, text in ERRORS.items()
    }


def _json(schema: Schema) -> Schema:
    return {"content": {"application/json": {"schema": schema}}}


def _schema(kind: type) -> Schema:
    """JSON Schema of a wire type without references; absent members are left out, so none of them may be null."""
    (schema,), parts = msgspec.json.schema_components([kind], ref_template="{name}")
    resolved = _resolve(schema, parts)
    return resolved if isinstance(resolved, dict) else {}


def _resolve(node: Any, parts: Mapping[str, Any]) -> Any:
    if isinstance(node, list):
        return [_resolve(each, parts) for each in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _resolve(parts[node["$ref"]], parts)
    if "anyOf" in node:
        kept = [each for each in node["anyOf"] if each != {"type": "null"}]
        node = kept[0] if len(kept) == 1 else {"anyOf": kept}
        return _resolve(node, parts)
    return {key: _resolve(value, parts) for key, value in node.items() if key != "default"}


_AUTHORIZATION: Schema = {
    "type": "object",
    "properties": {
        "access_token": {"type": "string", "minLength": 1},
        "token_type": {"const": "Bearer"},
        "expires_in": {"type": "integer"},
        "scope": {"type": "string"},
        "subject": {"type": "string"},
        "patient": {"type": "string"},
    },
    "required": ["access_token", "token_type", "expires_in", "scope", "subject"],
}
_CODING: Schema = {
    "type": "object",
    "properties": {"code": {"type": "string"}, "system": {"type": "string"}, "display": {"type": "string"}},
    "required": ["code", "system"],
}
_FEEDBACK: Schema = {
    "type": "object",
    "properties": {
        "feedback": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "card": {"type": "string", "format": "uuid"},
                    "outcome": {"enum": ["accepted", "overridden"]},
                    "outcomeTimestamp": {"type": "string", "format": "date-time"},
                    "acceptedSuggestions": {
                        "type": "array",
                        "items": {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]},
                    },
                    "overrideReason": {
                        "type": "object",
                        "properties": {"reason": _CODING, "userComment": {"type": "string"}},
                    },
                },
                "required": ["card", "outcome", "outcomeTimestamp"],
            },
        }
    },
    "required": ["feedback"],
}
