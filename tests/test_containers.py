"""The container files speak of settings there are, and hold no password."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from cds_service.settings import Client, Settings

FOLDER = Path(__file__).resolve().parents[1] / "docker"
FILES = sorted(path.name for path in FOLDER.iterdir() if path.is_file())


@pytest.mark.parametrize("name", FILES)
def test_every_setting_a_container_file_names_exists(name: str) -> None:
    named = set(re.findall(r"\bCDS_([A-Z_]+)", (FOLDER / name).read_text("utf-8")))
    assert {each.lower() for each in named} <= set(Settings.model_fields)


@pytest.mark.parametrize("name", FILES)
def test_a_password_has_no_default(name: str) -> None:
    given = re.findall(r"\$\{(\w*(?:PASSWORD|AUTHORIZATION))(:[-?])", (FOLDER / name).read_text("utf-8"))
    assert all(operator == ":?" for _, operator in given), given


def test_what_an_extra_of_the_image_brings_is_pinned_by_a_lock() -> None:
    root, said = FOLDER.parent, (FOLDER / "Dockerfile").read_text("utf-8")
    extras = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    locks = re.findall(r"--constraint (requirements[\w-]*\.lock)", said)
    pinned = {line.partition("==")[0] for lock in locks for line in (root / lock).read_text("utf-8").splitlines()}
    (offered,) = re.findall(r"--build-arg EXTRAS=([\w,]+)", said)
    for extra in offered.split(","):
        needed = {re.split(r"[\[><=]", each)[0] for each in extras[extra]}
        assert needed <= pinned, extra
    copied = re.findall(
        r"requirements[\w-]*\.lock", next(line for line in said.splitlines() if line.startswith("COPY requirements"))
    )
    assert {*locks} <= {*copied}


def test_all_that_the_image_copies_is_let_through_to_its_build() -> None:
    said = re.sub(r"\\\n", " ", (FOLDER / "Dockerfile").read_text("utf-8"))
    copied = {name for line in re.findall(r"^COPY (?!--from)(.*)$", said, re.MULTILINE) for name in line.split()[:-1]}
    ignored = (FOLDER.parent / ".dockerignore").read_text("utf-8").splitlines()
    assert ignored[0] == "*"
    assert copied == {line[1:] for line in ignored if line.startswith("!")}
    assert all((FOLDER.parent / name).exists() for name in copied)


def given(*names: str) -> dict[str, str | None]:
    """What compose files, laid over one another, put into the environment of the service."""
    files = [yaml.safe_load((FOLDER / name).read_text("utf-8")) for name in names]
    return {name: value for file in files for name, value in file["services"]["cds"]["environment"].items()}


def test_production_by_compose_asks_for_all_that_production_refuses_to_start_without() -> None:
    told = given("compose.yaml", "compose.production.yaml")
    asked = {name for name, value in told.items() if value and value.startswith(f"${{{name}:?")}
    assert {"CDS_ENCRYPTION_KEY", "CDS_CORS_ORIGINS", "CDS_PUBLIC_URL"} <= asked
    settings = dict.fromkeys(asked, "https://x.example") | {"CDS_MODE": str(told["CDS_MODE"])}
    site = {"main-ehr": Client(issuer="https://ehr.example")}  # what cds.toml brings
    Settings(clients=site, **{name.removeprefix("CDS_").lower(): value for name, value in settings.items()}).check()


def test_a_compose_file_sets_nothing_that_would_silently_win_over_cds_toml() -> None:
    fixed = {name for name, value in given("compose.yaml", "compose.production.yaml").items() if value is not None}
    assert fixed == {
        "CDS_MODE", "CDS_PUBLIC_URL", "CDS_DATABASE_URL", "PGPASSWORD", "CDS_CORS_ORIGINS", "CDS_ENCRYPTION_KEY",
    }  # fmt: skip
