"""What is admitted by its header alone."""

from __future__ import annotations

import pytest

from cds_service.imaging.admission import IN_COLOUR, admit
from cds_service.imaging.seen import Refused
from fhir_adapters.dicom.description import Header
from fhir_adapters.dicom.limits import Shape
from fhir_adapters.dicom.pixels import COLOUR


def film(photometric: str, samples: int = 1) -> Header:
    shape = Shape(rows=64, columns=64, frames=1, samples=samples, bits_allocated=16)
    return Header(modality="DX", shape=shape, photometric=photometric, bits_stored=12, acquired=True)


@pytest.mark.parametrize("photometric", sorted(COLOUR))
def test_a_radiograph_in_colour_or_by_a_palette_is_none_even_where_it_looks_grey(photometric: str) -> None:
    for samples in (1, 3):
        refused = admit(film(photometric, samples), ())
        assert isinstance(refused, Refused), refused
        assert refused.code == "photo-of-screen"


def test_a_grey_radiograph_is_admitted_and_no_colour_that_is_decoded_is_forgotten() -> None:
    assert admit(film("MONOCHROME1"), ()) == admit(film("MONOCHROME2"), ()) == "radiograph"
    assert IN_COLOUR == COLOUR
