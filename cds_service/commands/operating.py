"""What the commands ``rules``, ``services`` and ``ai`` do. They write to the database of a running site.

Every replica sees a change within five seconds; every change leaves an audit event with the account that made it.
"""

from __future__ import annotations

import asyncio
import getpass
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import Connection

from cds_service.commands.rules_report import RuleReport, report
from cds_service.db.gateway import Gateway
from cds_service.errors import BadRequest, Unavailable
from cds_service.rules.catalogue import Severity, Switch
from cds_service.rules.pack import load_pack
from cds_service.settings import Settings
from cds_service.switches import AI, read, write

T = TypeVar("T")
Row = Mapping[str, object]
PATIENCE_S = 10.0
SERVICES = ("patient-summary", "order-precheck", "order-triage", "encounter-brief", "imaging-read")


def list_rules(settings: Settings, as_json: bool) -> None:
    """Print every rule with its version, severity and switch."""
    pack, states = load_pack(settings.site_rules), _do(settings, read)
    rows = [
        {
            "id": rule.id,
            "version": rule.version,
            "severity": rule.severity.value,
            "switch": states.get(f"rule:{rule.id}", rule.switch).value,
            "title": rule.title,
            "source": rule.sources[0].label,
        }
        for rule in pack.rules.values()
    ]
    told = [{name: value for name, value in row.items() if name != "source"} for row in rows]  # docs/rules.md has them
    _show(rows, told, f"{len(rows)} rules, pack {pack.hash[:19]}", as_json)


def set_rule(settings: Settings, rule_id: str, state: Switch) -> None:
    """Switch a rule; say so when it is one that must be mentioned."""
    rule = load_pack(settings.site_rules).rules.get(rule_id)
    if rule is None:
        raise BadRequest(f"no rule '{rule_id}'; `medgemma-cds rules list` shows all")
    if state is not Switch.ON and (rule.must_mention or rule.severity is Severity.CRITICAL):
        sys.stderr.write(f"{rule_id} belongs to the set that must be mentioned; it will not be shown any more\n")
    _switch(settings, f"rule:{rule_id}", state)


def report_rules(settings: Settings, days: int, as_json: bool) -> None:
    """Print what became of each rule's cards over the last ``days``."""
    since = int((datetime.now(UTC) - timedelta(days=days)).timestamp() * 1000)
    found = _do(settings, lambda connection: report(connection, since))
    title = f"Rules over the last {days} days"
    _show([_reported(row) for row in found], [_told(row) for row in found], title, as_json)


def _reported(row: RuleReport) -> Row:
    return {
        "rule": row.rule,
        "fired": row.fired,
        "shadow": row.shadow,
        "accepted": row.accepted,
        "overridden": row.overridden,
        "override rate": "" if row.rate is None else f"{row.rate:.0%}",
        "reasons": ", ".join(f"{reason} {n}" for reason, n in row.reasons.most_common()),
        "median seconds": "" if row.seconds is None else round(row.seconds, 1),
        "review": "yes" if row.review else "",
    }


def _told(row: RuleReport) -> Row:
    """The same for a person, in columns that fit 80 characters."""
    rate = "" if row.rate is None else f" ({row.rate:.0%})"
    waited = "" if row.seconds is None else f"{row.seconds:.0f} s"
    return {
        "rule": row.rule,
        "fired": row.fired,
        "shadow": row.shadow,
        "accepted": row.accepted,
        "overridden": f"{row.overridden}{rate}{': review the rule' if row.review else ''}",
        "median": waited,
        "reasons": ", ".join(f"{reason} {n}" for reason, n in row.reasons.most_common()),
    }


def list_services(settings: Settings, as_json: bool) -> None:
    """Print every service with its switch."""
    states = _do(settings, read)
    rows = [{"id": s, "switch": states.get(f"service:{s}", Switch.ON).value} for s in SERVICES]
    _show(rows, rows, "Services", as_json)


def set_service(settings: Settings, service: str, state: Switch) -> None:
    """Switch a service."""
    if service not in SERVICES:
        raise BadRequest(f"no service '{service}'; known are {', '.join(SERVICES)}")
    _switch(settings, f"service:{service}", state)


def set_ai(settings: Settings, state: Switch) -> None:
    """Switch the AI part as a whole."""
    _switch(settings, AI, state)


def _switch(settings: Settings, name: str, state: Switch) -> None:
    by, moment = getpass.getuser(), datetime.now(UTC).timestamp()
    _do(settings, lambda connection: write(connection, name, state, by, moment))
    sys.stdout.write(f"{name} is {state.value}; running services follow within five seconds\n")


async def require_ai(settings: Settings) -> None:
    """Unavailable unless the AI part is on, as this site's database has it; where there is no database yet it is."""
    states = await _transact(settings, read) if _exists(settings) else {}
    state = states.get(AI, Switch.ON)
    if state is not Switch.ON:
        raise Unavailable(
            f"the AI part of this site is {state.value}, so no model is asked; `medgemma-cds ai on` switches it on again"
        )


def _exists(settings: Settings) -> bool:
    """Whether there is a database to read: a question makes none."""
    return bool(settings.database_url) or (settings.state_dir / "cds.sqlite3").exists()


def _do(settings: Settings, call: Callable[[Connection], T]) -> T:
    return asyncio.run(_transact(settings, call))


async def _transact(settings: Settings, call: Callable[[Connection], T]) -> T:
    """One transaction on the site's database, whose schema is brought up to date first."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    gateway = Gateway(settings.database, settings.state_dir)
    await gateway.start()
    try:
        return await gateway.run(call, deadline=asyncio.get_running_loop().time() + PATIENCE_S)
    finally:
        await gateway.close()


def _show(rows: Sequence[Row], told: Sequence[Row], title: str, as_json: bool) -> None:
    """``rows`` as JSON, or ``told`` as a table: ids are never cut, for they are copied into the next command."""
    if as_json:
        sys.stdout.write(msgspec.json.encode(rows).decode() + "\n")
        return
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for at, name in enumerate(told[0] if told else ("nothing yet",)):
        table.add_column(name, no_wrap=at == 0, overflow="fold")
    for row in told:
        table.add_row(*(escape(str(value)) for value in row.values()))
    Console().print(table)
