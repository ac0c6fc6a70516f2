"""Which findings of a call are shown: switches, then quietness for this user. Critical ones are never hidden."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from cds_service.record.facts import LACKING
from cds_service.rules.catalogue import Finding, Severity, Switch
from cds_service.rules.evaluate import switched_on
from cds_service.services.chart import Chart
from cds_service.services.hygiene import Hygiene, Quiet
from cds_service.services.layout import Laid, Sheet
from cds_service.services.service import Answer, Call


class Shown(Struct, frozen=True, kw_only=True):
    """The findings to lay out, and what was computed but not shown."""

    findings: list[Finding]
    shadow: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()

    def answer(self, laid: Sequence[Laid], chart: Chart, counts: dict[str, int] | None = None) -> Answer:
        """The Answer of a service: cards, what the ledger keeps, what audit and metrics count."""
        incomplete = [a.what for a in chart.record.absences if a.reason in LACKING]
        return Answer(
            cards=[each.card for each in laid],
            issued=[each.issued for each in laid],
            counts={"refused_readings": len(chart.record.refused), **(counts or {})},
            outcome="partial" if incomplete else "complete",
            notes=(
                *(f"shadow:{rule}" for rule in self.shadow),
                *(f"quiet:{rule}" for rule in self.quiet),
                *(f"absent:{what}" for what in incomplete),
            ),
        )


class Showing:
    """Applies switches and alert hygiene; lays nothing out itself."""

    def __init__(self, hygiene: Hygiene, override_displays: Mapping[str, str], zone: ZoneInfo) -> None:
        self._hygiene = hygiene
        self._displays = override_displays
        self._zone = zone

    def sheet(self, service: str, call: Call) -> Sheet:
        """The layout's view of this call."""
        return Sheet(service=service, profile=call.profile, zone=self._zone, override_displays=self._displays)

    async def choose(self, call: Call, findings: Sequence[Finding]) -> Shown:
        """Shadowed findings are counted, quiet ones hidden from this user; a failing store hides nothing."""
        on = switched_on(findings)
        context = call.request.context
        quiet = await self._hygiene.load(call.tenant, context.userId, context.patientId, call.deadline)
        hidden = [f for f in on if f.severity is not Severity.CRITICAL and quiet.hides(f)]
        shown = [f for f in on if f not in hidden] if hidden else on
        return Shown(
            findings=[_marked(f, quiet) for f in shown],
            shadow=tuple(part.rule.id for f in findings if f.rule.switch is Switch.SHADOW for part in f.parts),
            quiet=tuple(part.rule.id for f in hidden for part in f.parts),
        )


def _marked(finding: Finding, quiet: Quiet) -> Finding:
    """A critical finding that somebody answered is shown again, with when and whether it was this user."""
    answered = quiet.acknowledged(finding)
    return finding if answered is None else replace(finding, acknowledged=answered)
