"""The lists of words, codes and limits the rules share, read and indexed once at start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct

from cds_service.rules.critical import CriticalTable
from cds_service.rules.drugs import DrugTable
from cds_service.rules.imaging import ImagingTable
from cds_service.rules.kinds import KindTable
from cds_service.rules.problems import ProblemTable

FILES = ("drugs.toml", "imaging.toml", "problems.toml", "orders.toml", "critical_values.toml")


class Tables(Struct, frozen=True):
    """One of each."""

    drugs: DrugTable
    imaging: ImagingTable
    problems: ProblemTable
    kinds: KindTable
    critical: CriticalTable


def build_tables(content: Mapping[str, Mapping[str, Any]]) -> Tables:
    """Index the parsed files. Raises KeyError, TypeError or ValueError where one does not hold together."""
    return Tables(
        drugs=DrugTable(content["drugs.toml"]),
        imaging=ImagingTable(content["imaging.toml"]),
        problems=ProblemTable(content["problems.toml"]),
        kinds=KindTable(content["orders.toml"]),
        critical=CriticalTable(content["critical_values.toml"]),
    )
