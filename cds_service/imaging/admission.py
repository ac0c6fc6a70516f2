"""Which objects are shown to a model at all, by header alone. Pure."""

from __future__ import annotations

from collections.abc import Collection

from cds_service.imaging.seen import Kind, Refused
from fhir_adapters.dicom import volumes
from fhir_adapters.dicom.description import Header

KINDS: dict[str, Kind] = {
    "CR": "radiograph", "DX": "radiograph", "CT": "ct", "MR": "mr", "US": "ultrasound",
    "XC": "photo", "GM": "photo", "OT": "photo", "": "photo",
}  # fmt: skip
NEEDS = {"ultrasound": "ultrasound", "photo": "photo"}
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7."  # and its multi-frame kinds; …1.1.77 are photographs
IN_COLOUR = frozenset(
    {"RGB", "PALETTE COLOR", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"}
)  # also where it looks grey
COLOURED = "a radiograph in colour: a photograph of a screen or a capture"
VIEWS = {"LL": "LATERAL", "RL": "LATERAL", "LLD": "LATERAL DECUBITUS", "RLD": "LATERAL DECUBITUS"}
ALLOWABLE = frozenset({"ultrasound", "photo", "secondary-capture", "burned-in"})


def admit(header: Header, allowed: Collection[str]) -> Kind | Refused:
    """The kind of picture, or why no model sees it. ``allowed``: of ALLOWABLE, what the site opened (CDS_IMAGE_ALLOW)."""
    if header.shape is None:
        return Refused(reason="no image in the object", code="not-an-image")
    kind = KINDS.get(header.modality)
    if kind is None:
        return Refused(reason=f"modality {header.modality} is not read by this service", code="modality")
    if header.burned_in == "YES" and "burned-in" not in allowed:
        return Refused(reason="text is burned into the image", code="burned-in")
    if (header.sop_class + ".").startswith(SECONDARY_CAPTURE) and "secondary-capture" not in allowed:
        return Refused(
            reason="secondary captures are not admitted: they may hold burned-in text", code="secondary-capture"
        )
    if (need := NEEDS.get(kind)) and need not in allowed:
        return Refused(reason=f"{need} is not admitted", code="modality")
    if kind == "radiograph" and header.photometric in IN_COLOUR:
        return Refused(reason=COLOURED, code="photo-of-screen")
    if kind == "radiograph" and (why := _not_acquired(header)):
        return Refused(reason=why, code="not-acquired")
    if "LOCALIZER" in header.image_type:
        return Refused(reason="a localiser, not a diagnostic image", code="localiser")
    if header.intent == "FOR PROCESSING":
        return Refused(reason="raw image for processing, not for presentation", code="for-processing")
    return kind


def _not_acquired(header: Header) -> str:
    """Why a radiograph is none by its own header, '' where nothing speaks against it.

    A photograph or a screen capture that was given the modality of a radiograph keeps the eight bits it was taken with, and
    has no exposure, detector or spacing to name. A header that lies about these is not found out.
    """
    if header.conversion not in ("", "DF"):
        return "converted from another picture, not acquired as a radiograph"
    if header.bits_stored <= 8 and not header.acquired:
        return "nothing says that an X-ray device took it: eight bits, no exposure, detector or pixel spacing in the header"
    return ""


def view(header: Header) -> str:
    """PA, AP, LATERAL …; '' where the header does not say."""
    return VIEWS.get(header.view, header.view)


def mirrored(header: Header, kind: Kind) -> bool:
    """True where the rows run to the patient's right: an image is shown with the patient's left at its right edge."""
    if kind == "radiograph":
        return bool(header.orientation) and header.orientation[0].startswith("R")
    return volumes.plane(header.axes) in ("axial", "coronal") and header.axes is not None and header.axes[0][0] < 0
