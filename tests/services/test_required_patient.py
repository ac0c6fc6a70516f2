"""The patient of the context must be had: another one, or none, in the answer of a FHIR server is not that patient."""

from __future__ import annotations

import pytest

from cds_service.errors import MissingData
from cds_service.services.chart import require_patient
from fhir_adapters.gather import Retrieved, State
from fhir_adapters.read.resources import read
from tests.record.resources import PATIENT, bundle, observation


def fetched(body: bytes, origin: str = "fhir") -> dict[str, Retrieved]:
    answer = Retrieved(
        key="patient", resource_type="Patient", state=State.PRESENT, resources=[read(body)], origin=origin
    )
    return {"patient": answer}


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (bundle(PATIENT | {"id": "p2"}), "the FHIR server answered with another patient"),
        (bundle({k: v for k, v in PATIENT.items() if k != "id"}), "the FHIR server answered with another patient"),
        (bundle(observation()), "no Patient in the answer"),
    ],
)
def test_another_patient_from_the_fhir_server_is_a_412_that_says_so(body: bytes, why: str) -> None:
    with pytest.raises(MissingData, match=why):
        require_patient(fetched(body), "p1")


@pytest.mark.parametrize("origin", ["fhir", "prefetch"])
def test_the_patient_of_the_context_is_enough(origin: str) -> None:
    require_patient(fetched(bundle(PATIENT), origin), "p1")


def test_another_one_in_the_prefetch_is_left_to_the_record_which_refuses_the_call() -> None:
    require_patient(fetched(bundle(PATIENT | {"id": "p2"}), "prefetch"), "p1")
