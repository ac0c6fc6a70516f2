"""Loads the rule pack and a site's changes to it, checks both strictly, hashes them. A corrupt pack refuses to start.

``pack/*.toml`` holds the rules, ``pack/sources.toml`` what they come from, ``overrides.toml`` the reasons a clinician
may give.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from cds_service.errors import ConfigurationError
from cds_service.rules.catalogue import Finding, Rule, Scope, Source, Switch, Urgency
from cds_service.rules.logic import Logic
from cds_service.rules.pack_rows import Row, build_rule
from cds_service.rules.parameters import reader
from cds_service.rules.registry import LOGIC
from cds_service.rules.site import Site, apply_rules, apply_tables
from cds_service.rules.tables import FILES, Tables, build_tables
from cds_service.rules.triage import RULE as TRIAGE_RULE
from cds_service.rules.triage import Table

FOLDER = Path(__file__).parent
_FAULTS = (KeyError, TypeError, ValueError, AttributeError, msgspec.ValidationError)

Check = tuple[Rule, Logic[Any]]


class Pack(Struct, frozen=True, kw_only=True):
    """The rules in force. ``hash`` (sha256 over pack and site file) stands in audit and on cards."""

    rules: Mapping[str, Rule]
    hash: str
    tables: Tables
    override_reasons: Mapping[str, str]  # key → display
    record_checks: tuple[Check, ...]
    order_checks: tuple[Check, ...]
    after_death: tuple[Check, ...]

    def switched(self, switches: Mapping[str, Switch]) -> Pack:
        """The same pack, some rules switched at run time. Unknown ids are ignored: a switch may outlive its rule."""
        changed = {key: replace(self.rules[key], switch=to) for key, to in switches.items() if key in self.rules}
        return _assemble({**self.rules, **changed}, self.hash, self.tables, self.override_reasons)

    def urgency(self, finding: Finding) -> Urgency:
        """What the triage table says of a finding."""
        rule = self.rules.get(TRIAGE_RULE)
        table: Table | None = rule.given if rule is not None else None
        return Urgency.ROUTINE if table is None else table.urgency(finding)


def load_pack(site: Path | None = None, folder: Path = FOLDER) -> Pack:
    """Read, check and hash. Raises ConfigurationError naming the file and the row."""
    files = _files(folder)
    content = {name: _parse(name, raw) for name, raw in files.items()}
    digest = hashlib.sha256()
    for name, raw in files.items():
        digest.update(f"{name}\0{len(raw)}\0".encode() + raw)
    changes = Site()
    if site is not None:
        raw = _read(site)
        digest.update(f"site\0{len(raw)}\0".encode() + raw)
        changes = _convert(str(site), _parse(str(site), raw), Site)
    tables = _tables(content, changes, site)
    sources = _convert("pack/sources.toml", content.pop("pack/sources.toml", {}), dict[str, Source])
    reasons = _convert("overrides.toml", content["overrides.toml"], dict[str, str])
    rules = _rules(content, sources, reasons, tables, apply_rules(changes, str(site)))
    return _assemble(rules, f"sha256:{digest.hexdigest()}", tables, reasons)


def _files(folder: Path) -> dict[str, bytes]:
    names = [*FILES, "overrides.toml", *sorted(f"pack/{path.name}" for path in (folder / "pack").glob("*.toml"))]
    return {name: _read(folder / name) for name in names}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as fault:
        raise ConfigurationError(f"rule pack: {path.name} cannot be read: {fault.strerror}") from fault


def _parse(name: str, raw: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(raw.decode("utf-8"), parse_float=Decimal)
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as fault:
        raise ConfigurationError(f"rule pack: {name} is not readable TOML: {fault}") from fault


def _convert(name: str, content: Any, wanted: Any) -> Any:
    try:
        return msgspec.convert(content, wanted)
    except msgspec.ValidationError as fault:
        raise ConfigurationError(f"rule pack: {name}: {fault}") from fault


def _tables(content: Mapping[str, dict[str, Any]], changes: Site, site: Path | None) -> Tables:
    try:
        apply_tables(changes, content)
    except _FAULTS as fault:
        raise ConfigurationError(f"rule pack: {site}: {fault}") from fault
    try:
        return build_tables(content)
    except _FAULTS as fault:
        where = f"tables {', '.join(FILES)}" + (f" with {site}" if site is not None else "")
        raise ConfigurationError(f"rule pack: {where}: {fault}") from fault


def _rules(
    content: Mapping[str, dict[str, Any]],
    sources: Mapping[str, Source],
    reasons: Mapping[str, str],
    tables: Tables,
    changes: dict[str, dict[str, Any]],
) -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    topics: dict[str, str] = {}
    read = reader(tables)
    for name, table in content.items():
        if not name.startswith("pack/"):
            continue
        if set(table) != {"rule"}:
            raise ConfigurationError(f"rule pack: {name}: only [[rule]] rows belong here")
        for number, written in enumerate(table["rule"], 1):
            where = f"{name}, row {number} ({written.get('id', 'without id')})"
            change = changes.pop(written.get("id", ""), {})
            row = _convert(where, {**written, **change, "parameters": _merged(written, change)}, Row)
            if row.id in rules:
                raise ConfigurationError(f"rule pack: {where}: id stands twice")
            if row.topic in topics:
                raise ConfigurationError(f"rule pack: {where}: topic {row.topic} belongs to {topics[row.topic]}")
            rule = build_rule(row, where, LOGIC, sources, reasons, read)
            rules[rule.id], topics[rule.topic] = rule, rule.id
    shared = Counter(rule.mechanism for rule in rules.values() if rule.mechanism)
    alone = sorted(mechanism for mechanism, n in shared.items() if n == 1)
    if alone:
        raise ConfigurationError(f"rule pack: a mechanism is shared by two rules or more, not so: {', '.join(alone)}")
    for rule in rules.values():
        for name in rule.absorbs.rules if rule.absorbs is not None else ():
            other = rules.get(name)
            if other is None or other.scope is not Scope.RECORD or other.absorbs is not None:
                raise ConfigurationError(
                    f"rule pack: {rule.id} absorbs {name!r}, which is no rule over the record that absorbs none itself"
                )
    if changes:
        raise ConfigurationError(f"rule pack: the site file names unknown rules: {', '.join(sorted(changes))}")
    return rules


def _merged(written: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    """A site's parameters over the pack's. Tables are merged, so that a site which names one ladder keeps the others."""
    merged = dict(written.get("parameters", {}))
    for name, value in change.get("parameters", {}).items():
        own = merged.get(name)
        merged[name] = {**own, **value} if isinstance(own, dict) and isinstance(value, dict) else value
    return merged


def _assemble(rules: Mapping[str, Rule], digest: str, tables: Tables, reasons: Mapping[str, str]) -> Pack:
    if all(rule.switch is Switch.OFF for rule in rules.values()):
        raise ConfigurationError("rule pack: no rule is on; the service does not start with zero rules")
    triage = rules.get(TRIAGE_RULE)
    unknown = sorted(triage.given.names - set(rules)) if triage is not None else []
    if unknown:
        raise ConfigurationError(f"rule pack: {TRIAGE_RULE} names unknown rules: {', '.join(unknown)}")
    live = [(rule, LOGIC[rule.function]) for rule in rules.values() if rule.switch is not Switch.OFF]
    record = tuple(check for check in live if check[0].scope is Scope.RECORD)
    return Pack(
        rules=rules,
        hash=digest,
        tables=tables,
        override_reasons=reasons,
        record_checks=record,
        order_checks=tuple(check for check in live if check[0].scope is Scope.ORDER),
        after_death=tuple(check for check in record if check[0].function == "deceased"),
    )
