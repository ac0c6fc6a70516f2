from __future__ import annotations

import pytest

from cds_service.errors import ConfigurationError
from cds_service.hooks.clients import profiles
from cds_service.settings import Client

ROWS = profiles.read()


@pytest.mark.parametrize("name", sorted(ROWS))
def test_every_profile_stays_inside_the_specification(name: str) -> None:
    profile = ROWS[name]
    assert profile.summary_length <= 139
    assert set(profile.selection_behaviors) <= {"at-most-one", "any"}
    assert set(profile.link_types) <= {"absolute", "smart"}
    assert set(profile.action_types) <= {"create", "update", "delete"}
    assert all(50 <= limit <= 5000 for limit in profile.deadline_ms.values())
    assert profile.max_cards >= 1


def test_the_default_deadlines_are_500_ms_for_orders_and_1500_for_the_rest() -> None:
    spec = ROWS["spec"]
    assert {
        hook: spec.deadline(hook) for hook in ("order-sign", "order-select", "patient-view", "encounter-start")
    } == {
        "order-sign": 0.5,
        "order-select": 0.5,
        "patient-view": 1.5,
        "encounter-start": 1.5,
    }


def test_a_client_is_found_by_issuer_then_by_fhir_server_then_it_is_the_specifications() -> None:
    chosen = profiles.choose(
        {
            "epic": Client(issuer="https://epic.example", fhir_origins=["https://fhir.epic.example"], profile="epic"),
            "lab": Client(fhir_origins=["https://lab.example:8443"], profile="sandbox"),
        }
    )
    assert chosen.of("https://epic.example", "https://lab.example:8443/r4").name == "epic"
    assert chosen.of("https://other.example", "https://LAB.example:8443/r4").name == "sandbox"
    assert chosen.of("", "https://fhir.epic.example:443/r4").name == "epic"
    assert chosen.of("", "https://other.example").name == "spec"
    assert chosen.of("", "").name == "spec"


def test_a_profile_nobody_wrote_stops_the_start() -> None:
    with pytest.raises(ConfigurationError, match=r"clients\.x.*cerner, epic, sandbox, spec"):
        profiles.choose({"x": Client(profile="epicc")})
