"""Data flows one way: what each room may import. Wiring, commands and pages stand above; nothing imports them back."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PURE = {"errors"}  # of what every room may use, all that rooms without input and output do
IO = {
    "asyncio", "httpx2", "multiprocessing", "requests", "socket", "sqlalchemy", "ssl", "subprocess", "threading",
    "urllib.request",
}  # fmt: skip
COMMON = {
    "__version__", "audit", "db", "encryption", "errors", "key_files", "metrics", "randomness", "settings", "switches", "telemetry", "tracing",
}  # fmt: skip
# A room, and what it may import of other rooms (or of single files of theirs).
MAY: Mapping[str, set[str]] = {
    "record": PURE,
    "rules": {"record", *PURE},
    "grounding": {"record", *PURE},
    "models": {"record", "grounding", *COMMON},
    "assessments": {"record", "rules", "grounding", "models", *COMMON},
    "drafts": {"imaging.read", *COMMON},  # a draft holds a read; the rest of imaging makes reads into drafts
    "imaging": {"models", "assessments", "drafts", *COMMON},
    "hooks": {"rules", "services.service", "services.hygiene", *COMMON},
    "services": {
        "record", "rules", "grounding", "models", "assessments", "imaging", "drafts",
        "hooks.protocol", "hooks.clients.profiles", "hooks.markdown", "hooks.notices",  # the words of the wire
        *COMMON,
    },
    "web": {"assessments", "imaging", "drafts", "hooks.ports", "models.faults", *COMMON},  # models.faults: reasons in words
}  # fmt: skip
FOR_COMMON = {*COMMON, "otlp", "rules", "services.service", "models.weights_mark", "models.faults"}


def imported(file: Path) -> Iterator[str]:
    """Every module a file imports, with the names taken from it: ``a.b.name``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports say where they come from"
            yield from (f"{node.module}.{each.name}" for each in node.names)


def within(name: str, places: set[str]) -> bool:
    """Whether a dotted name is one of the places, or below one."""
    return any(name == place or name.startswith(f"{place}.") for place in places)


def files(*parts: str) -> list[Path]:
    found = sorted(ROOT.joinpath(*parts).rglob("*.py"))
    assert found
    return found


@pytest.mark.parametrize("room", MAY)
def test_a_room_imports_only_what_comes_before_it(room: str) -> None:
    for file in files("cds_service", room):
        for name in imported(file):
            own = name.removeprefix("cds_service.")
            allowed = own == name or within(own, {room, *MAY[room]})
            assert allowed, f"{file.relative_to(ROOT)} imports {name}"


def test_every_room_has_its_place() -> None:
    rooms = {path.parent.name for path in ROOT.glob("cds_service/*/__init__.py")}
    assert rooms == {*MAY, "db", "commands", "wiring"}


def test_what_every_room_may_use_knows_of_rooms_only_their_types() -> None:
    common = [ROOT / "cds_service" / f"{name}.py" for name in COMMON - {"__version__", "db"}]
    for file in [*common, *files("cds_service", "db")]:
        for name in imported(file):
            own = name.removeprefix("cds_service.")
            assert own == name or within(own, FOR_COMMON), f"{file.relative_to(ROOT)} imports {name}"


def test_adapters_and_prompts_know_nothing_of_the_service() -> None:
    assert not list(ROOT.joinpath("prompts").rglob("*.py")), "templates are data"
    for file in files("fhir_adapters"):
        for name in imported(file):
            assert not within(name, {"cds_service"}), f"{file.relative_to(ROOT)} imports {name}"


@pytest.mark.parametrize("room", ["record", "rules", "grounding"])
def test_rooms_that_judge_do_no_input_or_output(room: str) -> None:
    for file in files("cds_service", room):
        for name in imported(file):
            assert not within(name, IO), f"{file.relative_to(ROOT)} imports {name}"
            assert not within(name, {"fhir_adapters"}) or room == "record", f"{file.relative_to(ROOT)} imports {name}"
            assert not within(name, {"fhir_adapters.outbound", "fhir_adapters.client", "fhir_adapters.dicom"}), file


def test_one_door_alone_speaks_http_outward() -> None:
    speaking = {"httpx2", "httpcore2", "requests", "urllib.request", "http.client"}
    users = {
        str(file.relative_to(ROOT)): {name.partition(".")[0] for name in imported(file) if within(name, speaking)}
        for file in [*files("cds_service"), *files("fhir_adapters")]
    }
    assert {file: libraries for file, libraries in users.items() if libraries} == {
        "fhir_adapters/outbound.py": {"httpx2", "httpcore2"},
        "fhir_adapters/pinned.py": {"httpcore2"},  # the connections of that door
        "cds_service/otlp.py": {"requests"},  # the session of the telemetry SDK's own exporter (docs/security.md)
    }
