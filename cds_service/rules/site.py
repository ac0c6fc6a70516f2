"""What a site may change in its own TOML file: rules (switch, tier, parameters), critical limits, order categories."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

from cds_service.rules.catalogue import Severity, Switch


class RuleChange(Struct, frozen=True, forbid_unknown_fields=True):
    """``[rules.<id>]``. Parameters replace those of the same name; of a table only the members that are named."""

    switch: Switch | UnsetType = UNSET
    severity: Severity | UnsetType = UNSET
    raised: Severity | UnsetType = UNSET
    parameters: dict[str, Any] = field(default_factory=dict)


class SiteSource(Struct, frozen=True, forbid_unknown_fields=True):
    """The site's own provenance of a changed limit: who signed it, and when."""

    label: str
    edition: str


class LimitChange(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """``[critical.<concept>]``: members of the row; overrides of a population are given whole."""

    source: SiteSource
    unit: str | UnsetType = UNSET
    low: Any | UnsetType = UNSET
    high: Any | UnsetType = UNSET
    si: dict[str, Any] | UnsetType = UNSET
    hours: int | UnsetType = UNSET
    note: str | UnsetType = UNSET
    newborn: dict[str, Any] | UnsetType = UNSET
    child: dict[str, Any] | UnsetType = UNSET
    kidney_failure: dict[str, Any] | UnsetType = field(default=UNSET, name="kidney-failure")


class Site(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    rules: dict[str, RuleChange] = field(default_factory=dict)
    critical: dict[str, LimitChange] = field(default_factory=dict)
    categories: dict[str, str] = field(default_factory=dict)


def apply_rules(site: Site, name: str) -> dict[str, dict[str, Any]]:
    """Changes of rows by rule id, as written members."""
    changes: dict[str, dict[str, Any]] = {}
    for rule, change in site.rules.items():
        row: dict[str, Any] = {"parameters": change.parameters} if change.parameters else {}
        for member in ("switch", "severity", "raised"):
            value = getattr(change, member)
            if value is not UNSET:
                row[member] = value.value
        changes[rule] = row
    return changes


def apply_tables(site: Site, content: Mapping[str, dict[str, Any]]) -> None:
    """Write the site's limits and categories into the parsed tables."""
    table = content["critical_values.toml"]
    rows = {row["concept"]: row for row in table["value"]}
    for concept, change in site.critical.items():
        key = f"site:{concept}"
        table["sources"][key] = {"label": change.source.label, "edition": change.source.edition}
        row = rows.get(concept)
        if row is None:
            row = {"concept": concept}
            table["value"].append(row)
        row["source"] = key
        row.pop("si", None)  # the pack's limits in the other unit system do not belong to the site's
        for member in ("unit", "low", "high", "si", "hours", "note"):
            value = getattr(change, member)
            if value is not UNSET:
                row[member] = value
        for population in ("newborn", "child", "kidney-failure"):
            given = getattr(change, population.replace("-", "_"))
            if given is not UNSET:
                row[population] = {"source": key, **given}
    content["orders.toml"]["categories"].update(site.categories)
