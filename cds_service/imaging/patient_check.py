"""Whether images are of the patient they are asked for (fault matrix row 58). Pure; what it compares is never kept.

A patient id means something within the domain that issued it. One of a known domain must be one of the patient's; one of an
unknown domain counts where it is the same, and says nothing where it is not: ids differ across domains.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct

from cds_service.imaging.seen import Compared
from fhir_adapters.dicom.description import Identity

PatientCheck = Callable[[Identity], Compared]
_SEX = {"male": "M", "female": "F"}


class Expected(Struct, frozen=True, kw_only=True):
    """What the record knows of the patient. ``identifiers`` are system and value of Patient.identifier."""

    identifiers: tuple[tuple[str, str], ...] = ()
    birth_date: str = ""  # YYYYMMDD, '' unless the whole day is known
    sex: str = ""  # administrative gender


def check_of(expected: Expected, issuers: Mapping[str, str] | None = None) -> PatientCheck:
    """``issuers``: IssuerOfPatientID → system of Patient.identifier, '' for objects that name no issuer.

    The check tells what agrees, or the first item that differs. Whether that is enough to know whose images they are
    (``Compared.known``) is for whoever asks: a search may leave out what the objects themselves hold.
    """
    sex = _SEX.get(expected.sex, "")

    def check(identity: Identity) -> Compared:
        states = {
            "patient id": _id_agrees(identity, expected, issuers or {}),
            "birth date": _agrees(identity.birth_date, expected.birth_date),
            "sex": _agrees(identity.sex, sex) if identity.sex in ("M", "F") else None,
        }
        if (differs := next((name for name, state in states.items() if state is False), "")) != "":
            return Compared(differs=differs)
        return Compared(agree=tuple(name for name, state in states.items() if state))

    return check


def _agrees(given: str, known: str) -> bool | None:
    """None where one of the two is not known."""
    return given == known if given and known else None


def _id_agrees(identity: Identity, expected: Expected, issuers: Mapping[str, str]) -> bool | None:
    """False only where image and record name one domain and different ids in it."""
    if not identity.patient_id:
        return None
    given = (identity.issuer, identity.issuer_uid, issuers.get(identity.issuer, ""))
    domains = {_domain(name) for name in given if name}
    known = {value for system, value in expected.identifiers if _domain(system) in domains}
    if known:
        return identity.patient_id in known
    if domains & {_domain(system) for system in issuers.values()}:
        return None  # a domain the site knows, in which the record has no id of this patient
    return True if identity.patient_id in {value for _, value in expected.identifiers} else None


def _domain(name: str) -> str:
    """A system or issuer as it is compared: an OID is the same with and without its prefix."""
    return name.strip().removeprefix("urn:oid:").rstrip("/").casefold()
