"""Whether images are of the patient they are asked for (fault matrix row 58). Pure; what it compares is never kept."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from fhir_adapters.dicom.description import Identity

_SEX = {"male": "M", "female": "F"}


class Expected(Struct, frozen=True, kw_only=True):
    """What the record knows of the patient. ``identifiers`` are the values of Patient.identifier."""

    identifiers: tuple[str, ...] = ()
    birth_date: str = ""  # YYYYMMDD, '' unless the whole day is known
    sex: str = ""  # administrative gender


def check_of(expected: Expected) -> Callable[[Identity], str]:
    """A PatientCheck: '' for the patient, else which item differs. Nothing to compare by is a difference too."""

    def check(identity: Identity) -> str:
        compared = 0
        for name, given, known in (
            ("patient id", identity.patient_id, expected.identifiers),
            ("birth date", identity.birth_date, (expected.birth_date,) if expected.birth_date else ()),
        ):
            if given and known:
                if given not in known:
                    return name
                compared += 1
        known_sex = _SEX.get(expected.sex, "")
        if known_sex and identity.sex in ("M", "F") and identity.sex != known_sex:
            return "sex"
        return "" if compared else "identity (no patient id and no birth date to compare)"

    return check
