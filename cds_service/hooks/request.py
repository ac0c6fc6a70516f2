"""Reads a hook request leniently and checks what the specification lets nobody leave out (checklist rows R2, R3).

The quick path is one typed decode. What it refuses is read member by member: odd types of optional members are set
aside and noted, never guessed; only what no answer can do without is a 400. Unknown members and extensions are ignored.
"""

from __future__ import annotations

import re
from typing import Any, Final, NamedTuple, TypeVar

import msgspec
from msgspec import Raw, Struct, field

from cds_service.errors import BadRequest
from cds_service.hooks.protocol import Context, FHIRAuthorization, HookRequest

_NONE: Final = Raw(b"null")
_MARK = b"\xef\xbb\xbf"
LONGEST_INSTANCE = 200  # characters; the specification asks for a UUID, other ids are taken as they are
MOST_PREFETCH = 256  # keys
T = TypeVar("T")

_fhir_id = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch
_user_id = re.compile(r"(?:[A-Z][A-Za-z]{0,63}/)?[A-Za-z0-9\-.]{1,64}").fullmatch
NEEDS_ENCOUNTER = frozenset({"encounter-start", "encounter-discharge"})
NEEDS_ORDERS = frozenset({"order-select", "order-sign"})


class Parsed(NamedTuple):
    """A readable request, the body that tells a retry from a new question, and what was set aside while reading."""

    request: HookRequest
    asked: bytes  # without ``fhirAuthorization``: a retry asks the same with a fresh token
    notes: tuple[str, ...]


class _Context(Context, kw_only=True):
    draftOrders: Raw = _NONE  # noqa: N815


class _Wire(Struct, kw_only=True):
    """The body as conformant clients send it."""

    hook: str
    hookInstance: str  # noqa: N815
    context: _Context
    fhirServer: str | None = None  # noqa: N815
    fhirAuthorization: Raw = _NONE  # noqa: N815
    prefetch: dict[str, Raw] = field(default_factory=dict)
    extension: Raw = _NONE


_wire = msgspec.json.Decoder(_Wire).decode
_members = msgspec.json.Decoder(dict[str, Raw]).decode


def parse(body: bytes, service_hook: str) -> Parsed:
    """Read and check the body of ``POST /cds-services/{id}`` for a service of ``service_hook``; BadRequest is a 400."""
    if body[:3] == _MARK:
        body = body[3:]
    notes: list[str] = []
    try:
        try:
            wire = _wire(body)
        except msgspec.ValidationError:
            wire = _tolerant(body, notes)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise BadRequest("the body is not JSON") from None
    except RecursionError:
        raise BadRequest("the body is nested too deeply") from None
    _check(wire, service_hook, notes)
    request = HookRequest(
        hook=wire.hook,
        hookInstance=wire.hookInstance,
        context=wire.context,
        fhirServer=wire.fhirServer or None,
        fhirAuthorization=_authorization(wire, notes),
        prefetch=wire.prefetch,
        extension=None if wire.extension is _NONE else wire.extension,
    )
    return Parsed(request, _asked(body, wire.fhirAuthorization), tuple(notes))


def _asked(body: bytes, authorization: Raw) -> bytes:
    return body if authorization is _NONE else body.replace(bytes(authorization), b"", 1)


def _check(wire: _Wire, service_hook: str, notes: list[str]) -> None:
    if wire.hook != service_hook:
        raise BadRequest(f"hook must be '{service_hook}' for this service")
    instance = wire.hookInstance
    if not instance.strip() or len(instance) > LONGEST_INSTANCE or not instance.isprintable():
        raise BadRequest(f"hookInstance must be a UUID (at most {LONGEST_INSTANCE} printable characters)")
    if len(wire.prefetch) > MOST_PREFETCH:
        raise BadRequest(f"prefetch has more than {MOST_PREFETCH} keys")
    _check_context(wire.context, service_hook, notes)
    if not _null(wire.fhirAuthorization) and not wire.fhirServer:
        raise BadRequest("fhirServer is required with fhirAuthorization")


def _check_context(context: Context, hook: str, notes: list[str]) -> None:
    if not _fhir_id(context.patientId):
        raise BadRequest("context.patientId must be the id of a FHIR Patient")
    if context.encounterId is not None and not _fhir_id(context.encounterId):
        notes.append("context.encounterId unusable")
        context.encounterId = None
    if hook in NEEDS_ENCOUNTER and not context.encounterId:
        raise BadRequest(f"context.encounterId is required for {hook}")
    if context.userId and not _user_id(context.userId):
        notes.append("context.userId unusable")
        context.userId = ""
    if context.draftOrders is None or _null(context.draftOrders):
        context.draftOrders = None
    if hook in NEEDS_ORDERS and context.draftOrders is None:
        raise BadRequest(f"context.draftOrders is required for {hook}")


def _authorization(wire: _Wire, notes: list[str]) -> FHIRAuthorization | None:
    """The token of the call; a partial one without an access_token is set aside."""
    if _null(wire.fhirAuthorization):
        return None
    members: dict[str, Any] = _read(wire.fhirAuthorization, dict[str, Any], {})
    token = members.get("access_token")
    if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
        notes.append("fhirAuthorization without access_token")
        return None
    texts = {name: v for name in ("scope", "subject", "patient") if isinstance(v := members.get(name), str)}
    expires = members.get("expires_in")
    expires = int(expires) if isinstance(expires, str) and expires.isascii() and expires.isdigit() else expires
    return FHIRAuthorization(access_token=token, expires_in=expires if isinstance(expires, int) else 0, **texts)


def _tolerant(body: bytes, notes: list[str]) -> _Wire:
    """Member by member, for bodies whose members have other types than the specification gives them."""
    try:
        members = _members(body)
    except msgspec.ValidationError:
        raise BadRequest("the body must be a JSON object") from None
    for name in ("hook", "hookInstance"):
        if name not in members:
            raise BadRequest(f"{name} is required")
    context = _read(members.get("context", _NONE), dict[str, Raw], None)
    if context is None:
        raise BadRequest("context is required and must be an object")
    prefetch = _read(members.get("prefetch", _NONE), dict[str, Raw], None)
    if prefetch is None and not _null(members.get("prefetch", _NONE)):
        notes.append("prefetch is not an object")
    return _Wire(
        hook=_text(members, "hook", notes),
        hookInstance=_text(members, "hookInstance", notes),
        context=_Context(
            patientId=_text(context, "patientId", notes),
            userId=_text(context, "userId", notes),
            encounterId=_text(context, "encounterId", notes) or None,
            selections=_selections(context, notes),
            draftOrders=context.get("draftOrders", _NONE),
        ),
        fhirServer=_text(members, "fhirServer", notes) or None,
        fhirAuthorization=members.get("fhirAuthorization", _NONE),
        prefetch=prefetch or {},
        extension=members.get("extension", _NONE),
    )


def _text(members: dict[str, Raw], name: str, notes: list[str]) -> str:
    """A string member; a whole number is taken as its digits, anything else is set aside."""
    raw = members.get(name, _NONE)
    value = _read(raw, str | int | None, "")
    if value == "" and not _null(raw):
        notes.append(f"{name} is not text")
    return "" if value is None or isinstance(value, bool) else str(value)


def _selections(context: dict[str, Raw], notes: list[str]) -> list[str]:
    raw = context.get("selections", _NONE)
    found = _read(raw, list[str] | str | None, None)
    if found is None and not _null(raw):
        notes.append("selections is not a list of references")
    return [found] if isinstance(found, str) and found else found if isinstance(found, list) else []


def _null(raw: Raw) -> bool:
    return raw is _NONE or bytes(raw) == b"null"


def _read(raw: Raw, kind: Any, otherwise: T) -> Any | T:
    try:
        return msgspec.json.decode(raw, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return otherwise
