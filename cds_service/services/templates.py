"""The prefetch templates of each service, read once from prefetch.toml."""

from __future__ import annotations

import tomllib
from importlib.resources import files

_TABLE = tomllib.loads(files(__package__).joinpath("prefetch.toml").read_text(encoding="utf-8"))


def prefetch(service_id: str) -> dict[str, str]:
    """Key → FHIR query template of one service, ``patient`` first."""
    return {key: _TABLE["templates"][key] for key in _TABLE["services"][service_id]}


def expected(service_id: str) -> frozenset[str]:
    """The resource types a service asks for: what is not found of them is said on its cards."""
    return frozenset(query.split("?")[0].split("/")[0] for query in prefetch(service_id).values())
