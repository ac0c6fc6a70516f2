"""One row of the pack as written, and the checks that make a Rule of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any

import msgspec
from msgspec import Struct, field

from cds_service.errors import ConfigurationError
from cds_service.rules.catalogue import Absorbs, Rule, Scope, Severity, Source, Switch
from cds_service.rules.logic import Logic

_ID = re.compile(r"[a-z][a-z0-9-]{1,60}\Z")
_TOPIC = re.compile(r"[A-Za-z0-9]{1,100}\Z")
_VERSION = re.compile(r"\d+(\.\d+)*\Z")


class Text(Struct, frozen=True, forbid_unknown_fields=True):
    """A text with lines of explanation under its summary."""

    summary: str
    detail: str = ""


class Row(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A ``[[rule]]`` of pack/*.toml. Unknown keys are refused."""

    id: str
    topic: str
    title: str
    version: str
    scope: Scope
    severity: Severity
    sources: list[str]
    inputs: list[str]
    limits: str
    texts: dict[str, str | Text]
    raised: Severity | None = None
    function: str = ""
    mechanism: str = ""
    absorbs: Absorbs | None = None
    must_mention: bool = False
    override_reasons: list[str] = field(default_factory=list)
    parameters: dict[str, Any] = field(default_factory=dict)
    switch: Switch = Switch.ON


def build_rule(
    row: Row,
    where: str,
    logic: Mapping[str, Logic[Any]],
    sources: Mapping[str, Source],
    reasons: Mapping[str, str],
    read: Callable[[type, Any], Any],
) -> Rule:
    """The rule of a row. Raises ConfigurationError naming the row and what is wrong with it."""

    def refuse(what: str) -> ConfigurationError:
        return ConfigurationError(f"rule pack: {where}: {what}")

    _check_names(row, refuse)
    if not (row.title and row.limits and row.inputs):
        raise refuse("title, limits and inputs must not be empty")
    if not row.sources:
        raise refuse("a rule needs a source")
    for kind, names, known in (("source", row.sources, sources), ("override reason", row.override_reasons, reasons)):
        unknown = [name for name in names if name not in known]
        if unknown:
            raise refuse(f"unknown {kind} {', '.join(unknown)}")
    if row.raised is not None and row.raised.rank < row.severity.rank:
        raise refuse("raised is below severity")
    function = logic.get(row.function or row.id)
    if function is None:
        raise refuse(f"no function is registered as {row.function or row.id!r}")
    if function.scope is not row.scope:
        raise refuse(f"{function.name} looks at the {function.scope}, the row says {row.scope}")
    try:
        given = msgspec.convert(row.parameters, function.parameters, dec_hook=read)
    except (msgspec.ValidationError, ValueError, TypeError) as fault:
        raise refuse(f"parameters: {fault}") from fault
    return Rule(
        id=row.id,
        topic=row.topic,
        title=row.title,
        version=row.version,
        scope=row.scope,
        severity=row.severity,
        raised=row.raised,
        function=function.name,
        mechanism=row.mechanism,
        absorbs=row.absorbs,
        sources=tuple(sources[name] for name in row.sources),
        inputs=tuple(row.inputs),
        must_mention=row.must_mention,
        override_reasons=tuple(row.override_reasons),
        limits=row.limits,
        parameters=row.parameters,
        given=given,
        texts=_texts(row, function, refuse),
        switch=row.switch,
    )


def _check_names(row: Row, refuse: Callable[[str], ConfigurationError]) -> None:
    for name, value, pattern in (("id", row.id, _ID), ("topic", row.topic, _TOPIC), ("version", row.version, _VERSION)):
        if not pattern.match(value):
            raise refuse(f"{name} {value!r} is not of the form {pattern.pattern}")
    if row.absorbs is not None and row.scope is not Scope.RECORD:
        raise refuse("absorbs is for rules over the record")
    if row.mechanism and (row.scope is not Scope.ORDER or not _ID.match(row.mechanism)):
        raise refuse(f"mechanism {row.mechanism!r} is for rules over orders, of the form {_ID.pattern}")


def _texts(row: Row, function: Logic[Any], refuse: Callable[[str], ConfigurationError]) -> dict[str, str]:
    """Flat templates; every text the function speaks, no other, and no field it does not fill."""
    missing, extra = set(function.texts) - set(row.texts), set(row.texts) - set(function.texts)
    if missing or extra:
        raise refuse(f"texts: missing {sorted(missing)}, unknown {sorted(extra)}")
    flat: dict[str, str] = {}
    for name, written in row.texts.items():
        text = written if isinstance(written, Text) else Text(written)
        if not text.summary:
            raise refuse(f"text {name} is empty")
        flat[name] = text.summary
        if text.detail:
            flat[f"{name}.detail"] = text.detail
        for template in (text.summary, text.detail):
            for used in _fields(template, refuse):
                if used not in function.texts[name]:
                    raise refuse(f"text {name} uses {{{used}}}; it may use {sorted(function.texts[name])}")
    return flat


def _fields(template: str, refuse: Callable[[str], ConfigurationError]) -> list[str]:
    try:
        parsed = list(Formatter().parse(template))
    except ValueError as fault:
        raise refuse(f"template {template!r}: {fault}") from fault
    fields = [name for _, name, spec, conversion in parsed if name is not None]
    if any(spec or conversion for _, name, spec, conversion in parsed if name is not None):
        raise refuse(f"template {template!r}: only plain {{name}} fields")
    if any(not name.isidentifier() for name in fields):
        raise refuse(f"template {template!r}: only plain {{name}} fields")
    return fields
