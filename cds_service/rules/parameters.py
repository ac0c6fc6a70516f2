"""Types of rule parameters that are looked up in the tables when the pack is loaded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from cds_service.rules.tables import Tables


class DrugGroup:
    """Drugs of a rule: written as a list of class and drug names, held as the drugs themselves."""

    __slots__ = ("members", "written")

    def __init__(self, written: list[str], members: frozenset[str]) -> None:
        self.written = tuple(written)
        self.members = members


class ProblemGroups:
    """Groups of problems.toml a rule asks for."""

    __slots__ = ("names",)

    def __init__(self, written: list[str]) -> None:
        self.names = tuple(written)


def reader(tables: Tables) -> Callable[[type, Any], Any]:
    """The hook that turns written names into table entries; ValueError names what is unknown."""

    def read(wanted: type, written: Any) -> Any:
        if not isinstance(written, list) or not all(isinstance(name, str) for name in written):
            raise ValueError("expected a list of names")
        if wanted is DrugGroup:
            return DrugGroup(written, tables.drugs.group(written))
        if wanted is ProblemGroups:
            unknown = sorted(set(written) - set(tables.problems.titles))
            if unknown:
                raise ValueError(f"{', '.join(unknown)}: not in problems.toml")
            return ProblemGroups(written)
        raise TypeError(f"no reader for {wanted}")

    return read
