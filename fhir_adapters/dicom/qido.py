"""QIDO-RS answers (PS3.18 §10.6, DICOM JSON of annex F): only the attributes that are chosen by."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from fhir_adapters import json_guard
from fhir_adapters.dicom.description import Identity, Triple
from fhir_adapters.dicom.errors import BadAnswer

FIELDS = {
    "study": ("00100020", "00100021", "00100024", "00100030", "00100040"),
    "series": ("0008103E", "00180015", "00200060", "00201209", "00200011"),
    "instance": (
        "00080008", "00080016", "00080068", "00185101", "00200012", "00200013", "00200032", "00200037", "00280008",
        "00280301", "00080022", "00080032", "00080023", "00080033",
    ),
}  # fmt: skip


class _Attribute(Struct, gc=False):
    Value: list[Any] | None = None


Row = dict[str, _Attribute]
BULK = frozenset({"BulkDataURI", "InlineBinary"})


class Series(Struct, frozen=True, kw_only=True):
    """One series of a study."""

    uid: str
    modality: str = ""
    number: int = 0
    instances: int = 0
    body_part: str = ""
    laterality: str = ""
    description: str = ""  # chosen by, never shown


class Instance(Struct, frozen=True, kw_only=True):
    """One instance of a series."""

    uid: str
    sop_class: str = ""
    image_type: tuple[str, ...] = ()
    intent: str = ""
    view: str = ""
    burned_in: str = ""
    number: int = 0
    acquisition: int = 0
    frames: int = 1
    position: Triple | None = None
    axes: tuple[Triple, Triple] | None = None
    taken: str = ""  # date and time digits, for the order alone


def rows(body: bytes) -> list[Row]:
    """The list of an answer; an empty body (204) is an empty list."""
    if not body.strip():
        return []
    try:
        return json_guard.decode(body, list[Row])
    except json_guard.JsonRefused:
        raise BadAnswer("not DICOM JSON") from None


def whole(body: bytes) -> list[dict[str, Any]]:
    """Every attribute of every row as it came, less what is bulk data or a reference to it."""
    try:
        found = json_guard.decode(body or b"[]", list[dict[str, dict[str, Any]]])
    except json_guard.JsonRefused:
        raise BadAnswer("not DICOM JSON") from None
    return [{tag: a for tag, a in row.items() if not BULK & a.keys()} for row in found]


def uid_of(row: dict[str, Any]) -> str:
    """The SOP Instance UID of a whole row."""
    values = row.get("00080018", {}).get("Value") or [""]
    return str(values[0])


def text(row: Row, tag: str) -> str:
    """The first value as text."""
    values = row[tag].Value if tag in row else None
    return str(values[0]).strip() if values and isinstance(values[0], str | int | float) else ""


def identity(row: Row) -> Identity:
    """Who a row is of."""
    return Identity(
        patient_id=text(row, "00100020"),
        issuer=text(row, "00100021"),
        issuer_uid=_nested(row, "00100024", "00400032"),
        birth_date=text(row, "00100030"),
        sex=text(row, "00100040"),
    )


def _nested(row: Row, sequence: str, tag: str) -> str:
    """The first value of an attribute of the first item of a sequence, as text."""
    items = row[sequence].Value if sequence in row else None
    inner = items[0].get(tag) if items and isinstance(items[0], dict) else None
    values = inner.get("Value") if isinstance(inner, dict) else None
    return str(values[0]).strip() if isinstance(values, list) and values and isinstance(values[0], str) else ""


def series(row: Row) -> Series:
    """A row of a series search."""
    return Series(
        uid=text(row, "0020000E"),
        modality=text(row, "00080060").upper(),
        number=_number(row, "00200011"),
        instances=_number(row, "00201209"),
        body_part=text(row, "00180015").upper(),
        laterality=text(row, "00200060").upper(),
        description=text(row, "0008103E").lower(),
    )


def instance(row: Row) -> Instance:
    """A row of an instance search or of metadata."""
    plane = _numbers(row, "00200037", 6)
    place = _numbers(row, "00200032", 3)
    types = row["00080008"].Value if "00080008" in row else None
    return Instance(
        uid=text(row, "00080018"),
        sop_class=text(row, "00080016"),
        image_type=tuple(str(part).upper() for part in types or () if isinstance(part, str)),
        intent=text(row, "00080068").upper(),
        view=text(row, "00185101").upper(),
        burned_in=text(row, "00280301").upper(),
        number=_number(row, "00200013"),
        acquisition=_number(row, "00200012"),
        frames=max(_number(row, "00280008"), 1),
        position=(place[0], place[1], place[2]) if place else None,
        axes=((plane[0], plane[1], plane[2]), (plane[3], plane[4], plane[5])) if plane else None,
        taken=(text(row, "00080022") or text(row, "00080023")) + (text(row, "00080032") or text(row, "00080033")),
    )


def _number(row: Row, tag: str) -> int:
    try:
        return int(float(text(row, tag)))
    except (ValueError, OverflowError):
        return 0


def _numbers(row: Row, tag: str, count: int) -> list[float] | None:
    values = row[tag].Value if tag in row else None
    try:
        found = [float(value) for value in values or ()]
    except (TypeError, ValueError):
        return None
    return found if len(found) == count else None
