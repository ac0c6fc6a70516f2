"""What is read of a header: enough to admit, order and calibrate an image, and nothing else. No pydicom in here."""

from __future__ import annotations

from msgspec import Struct

from fhir_adapters.dicom.limits import Shape

Triple = tuple[float, float, float]


class Identity(Struct, frozen=True, kw_only=True):
    """Who an object says it is of. Compared, then forgotten; never logged, stored or shown."""

    patient_id: str = ""  # (0010,0020)
    issuer: str = ""  # (0010,0021)
    issuer_uid: str = ""  # (0040,0032) in (0010,0024): the issuer's OID or URI
    birth_date: str = ""  # (0010,0030), YYYYMMDD
    sex: str = ""  # (0010,0040): M, F, O


class Header(Struct, frozen=True, kw_only=True):
    """One object. Text is upper case and of the code string alphabet (PS3.5 §6.2, CS); '' where absent."""

    sop_class: str = ""
    study_uid: str = ""
    series_uid: str = ""
    instance_uid: str = ""
    transfer_syntax: str = ""
    modality: str = ""
    shape: Shape | None = None  # None: no image
    bits_stored: int = 0
    signed: bool = False
    photometric: str = ""
    image_type: tuple[str, ...] = ()
    conversion: str = ""  # (0008,0064): how an object that was not acquired came to be; DF is a digitised film
    acquired: bool = False  # exposure, detector, plate or spacing of an acquisition is named
    intent: str = ""  # FOR PRESENTATION, FOR PROCESSING
    burned_in: str = ""  # YES, NO
    body_part: str = ""
    view: str = ""
    laterality: str = ""
    orientation: tuple[str, ...] = ()  # (0020,0020): direction of the rows, of the columns
    instance_number: int = 0
    acquisition: int = 0  # (0020,0012)
    position: Triple | None = None  # (0020,0032), mm
    axes: tuple[Triple, Triple] | None = None  # (0020,0037)
    frame_positions: tuple[Triple | None, ...] = ()  # enhanced objects
    performed: str = ""  # ISO 8601
    identity: Identity = Identity()
