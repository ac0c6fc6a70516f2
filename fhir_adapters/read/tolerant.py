"""The slow reader for resources that break the types: keeps what fits, names what does not.

Where a list is asked for and an object stands, the object is a list of one; a lone coding is a CodeableConcept; a
string reference is a Reference; a number written as a string is a number. A member that still does not fit is left out
as a whole, so that a half-read value (a Quantity whose comparator was unreadable) can never pass for a whole one.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Raw, Struct, inspect

from fhir_adapters.read.datatypes import CodeableConcept, Coding, Reference
from fhir_adapters.read.view import View

V = TypeVar("V", bound=View)
S = TypeVar("S", bound=Struct)
Fit = Callable[[Any], Any]
_DECODER = msgspec.json.Decoder(float_hook=Decimal)


class Misfit(ValueError):
    """A value that cannot be read as the type asked for."""


def loose(body: bytes | Raw) -> Any:
    """JSON as plain Python values, decimals exact. Raises ValueError or RecursionError."""
    return _DECODER.decode(body)


def rebuild(value: dict[str, Any], view: type[V]) -> V:
    """A view from a dict of any shape; ``damaged`` names the members that were there and did not fit."""
    members, damaged = {}, []
    for name, (attribute, fit) in _plan(view).items():
        if value.get(name) is None:
            continue
        try:
            members[attribute] = fit(value[name])
        except (Misfit, RecursionError):
            damaged.append(name)
    return view(**members, damaged=tuple(damaged))


def listed(body: Raw, struct: type[S]) -> list[S]:
    """A list of ``struct`` from JSON of any shape; empty where it does not fit."""
    try:
        found: list[S] = _list_of(_struct_of(struct))(loose(body))
    except (ValueError, RecursionError):
        return []
    return found


def single(body: Raw, struct: type[S]) -> S:
    """A ``struct`` from JSON of any shape. Raises Misfit where it does not fit."""
    try:
        found: S = _struct_of(struct)(loose(body))
    except (ValueError, RecursionError):
        raise Misfit from None
    return found


@cache
def _plan(struct: type[Struct]) -> dict[str, tuple[str, Fit]]:
    """JSON name → (attribute, how to fit it) for every member of a Struct."""
    info = inspect.type_info(struct)
    if not isinstance(info, inspect.StructType):
        raise TypeError(struct)
    return {f.encode_name: (f.name, _fit(f.type)) for f in info.fields if f.name != "damaged"}


def _fit(kind: inspect.Type) -> Fit:
    if isinstance(kind, inspect.UnionType):
        return _fit(next(t for t in kind.types if not isinstance(t, inspect.NoneType)))
    if isinstance(kind, inspect.ListType):
        return _list_of(_fit(kind.item_type))
    if isinstance(kind, inspect.StructType):
        return _struct_of(kind.cls)
    return _PRIMITIVES[type(kind)]


def _list_of(fit: Fit) -> Fit:
    def fit_list(value: Any) -> list[Any]:
        values = value if isinstance(value, list) else [value]
        return [fit(v) for v in values if v is not None]

    return fit_list


def _struct_of(struct: type[Struct]) -> Fit:
    def fit_struct(value: Any) -> Struct:
        if isinstance(value, list) and len(value) == 1:
            value = value[0]
        value = _widen(value, struct)
        if not isinstance(value, dict):
            raise Misfit
        plan = _plan(struct)
        return struct(**{plan[k][0]: plan[k][1](v) for k, v in value.items() if v is not None and k in plan})

    return fit_struct


def _widen(value: Any, struct: type[Struct]) -> Any:
    """Common shorthands of sloppy servers, and of STU3 and R5."""
    if struct is CodeableConcept:
        if isinstance(value, str):
            return {"text": value}
    elif struct is Coding and isinstance(value, dict) and "coding" in value:
        coding = value["coding"]
        return coding[0] if isinstance(coding, list) and coding else coding
    elif struct is Coding and isinstance(value, str):
        return {"code": value}
    elif struct is Reference and isinstance(value, str):
        return {"reference": value}
    return value


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return str(value)
    raise Misfit


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise Misfit


def _integer(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lstrip("+-").isdecimal() and len(value) < 12:
        return int(value)
    raise Misfit


def _decimal(value: Any) -> Decimal:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    if isinstance(value, str) and "_" not in value:
        try:
            return Decimal(value.strip())
        except InvalidOperation:
            raise Misfit from None
    raise Misfit


def _raw(value: Any) -> Raw:
    try:
        return Raw(msgspec.json.encode(value))
    except (TypeError, ValueError, OverflowError):
        raise Misfit from None


_PRIMITIVES: dict[type[inspect.Type], Fit] = {
    inspect.StrType: _string,
    inspect.BoolType: _boolean,
    inspect.IntType: _integer,
    inspect.DecimalType: _decimal,
    inspect.RawType: _raw,
    inspect.AnyType: lambda value: value,
}
