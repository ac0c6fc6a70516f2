"""Whether weights are a test's: they answer like a model and know nothing. Whatever they say is marked wherever it is shown."""

from __future__ import annotations

from pathlib import Path

from fhir_adapters import json_guard


def marked_as_test(model: str) -> bool:
    """Whether the checkpoint in this folder says ``"test_weights": true`` in its config.json. Model ids of a hub never do."""
    config = Path(model) / "config.json"
    if not config.is_file():
        return False
    try:
        found = json_guard.decode(config.read_bytes(), dict[str, object])
    except json_guard.JsonRefused:
        return False  # the engine itself will refuse it, with the reason
    return found.get("test_weights") is True
