"""The service against its own description: no 5xx, and nothing it does not say it answers.

Not checked: that valid data is always accepted (412 without the patient is right) and that invalid data is always
refused (reading leniently is the point).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import checks

from cds_service.settings import Settings

from .conftest import HOUSES, whole
from .minimal import Minimal

CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
BOTH = [schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE]
FEW, MANY = 6, 300


@pytest.fixture(params=HOUSES)
def schema(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An application of its own for each test: schemathesis stops it after each, and a stopped one does not start again."""
    made = Settings(mode="sandbox", state_dir=tmp_path)
    app = Minimal(made).app if request.param == "minimal" else whole(made)
    return schemathesis.openapi.from_asgi("/openapi.json", app).include(path_regex="^/cds-services")


def fuzz(schema: Any, examples: int) -> None:
    """Every operation with requests it describes, and with requests it does not."""
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) >= 9
    strategies = [
        operation.as_strategy(generation_mode=mode)
        for operation in operations
        for mode in (BOTH if operation.body else BOTH[:1])
    ]

    @given(st.data())
    @settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        database=None,
    )
    def call(data: st.DataObject) -> None:
        for strategy in strategies:
            case = data.draw(strategy)
            if data.draw(st.integers(0, 3)):
                bring_the_patient(case.body)
            case.call_and_validate(checks=CHECKS)

    call()


def bring_the_patient(body: Any) -> None:
    """Most generated requests would end at 412; with the patient in prefetch they go all the way."""
    if isinstance(body, dict) and isinstance(body.get("context"), dict):
        if not isinstance(body.get("prefetch"), dict):
            body["prefetch"] = {}
        body["prefetch"]["patient"] = {"resourceType": "Patient", "id": body["context"].get("patientId")}


def test_every_operation_answers_generated_requests_as_described(schema: Any) -> None:
    fuzz(schema, FEW)


@pytest.mark.long
def test_every_operation_answers_many_generated_requests_as_described(schema: Any) -> None:
    fuzz(schema, MANY)
