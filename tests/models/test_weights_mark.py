"""Test weights say so themselves, or the operator says it for them; nothing else is called a test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cds_service.errors import ConfigurationError
from cds_service.metrics import Metrics
from cds_service.models import engines
from cds_service.models.weights_mark import marked_as_test
from cds_service.settings import Settings


@pytest.mark.parametrize(
    ("config", "marked"),
    [('{"test_weights": true}', True), ('{"test_weights": "true"}', False), ("{}", False), ("{", False), ("[]", False)],
)
def test_a_checkpoint_is_a_test_only_when_its_configuration_says_so(tmp_path: Path, config: str, marked: bool) -> None:
    (tmp_path / "config.json").write_text(config)
    assert marked_as_test(str(tmp_path)) is marked


def test_a_model_of_the_hub_is_never_a_test() -> None:
    assert not marked_as_test("google/medgemma-1.5-4b-it")


def test_production_refuses_test_weights_however_they_are_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"test_weights": true}')
    trusted = {
        "clients": {"a": {"issuer": "https://ehr.example.org"}}, "encryption_key": "k", "cors_origins": ["https://ehr.example.org"],
    }  # fmt: skip
    weights: list[dict[str, object]] = [
        {"image_engine": "in-process", "image_model": str(tmp_path)},
        {"text_engine": "in-process", "text_model": str(tmp_path)},
        {"image_engine": "openai", "image_test_weights": True},
    ]
    for each in weights:
        with pytest.raises(ConfigurationError, match="test weights"):
            Settings(mode="production", **trusted, **each).check()  # type: ignore[arg-type]
        Settings(mode="sandbox", **each).check()  # type: ignore[arg-type]
    Settings(mode="production", **trusted, image_engine="openai", image_model=str(tmp_path)).check()  # type: ignore[arg-type]


async def test_the_engines_identity_carries_the_mark(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"test_weights": True}))
    local = Settings(mode="demo", image_engine="in-process", image_model=str(tmp_path))
    served = {"mode": "demo", "image_engine": "openai", "image_base_url": "http://127.0.0.1:9/v1", "image_model": "m"}
    marks = []
    for settings in (local, Settings(**served), Settings(**served, image_test_weights=True)):  # type: ignore[arg-type]
        async with engines.door(settings) as door:
            made = engines.build(settings, door, Metrics())
            assert made.image is not None
            marks.append(made.image.engine.identity.test_weights)
            await made.aclose()
    assert marks == [True, False, True]
