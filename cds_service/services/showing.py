"""Which findings of a call are shown: switches (off, shadow, on), then quietness for this user. Critical ones are never hidden."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from msgspec import Struct

from cds_service.hooks.profiles import Profile
from cds_service.rules.catalogue import Finding, Severity, Switch
from cds_service.rules.pack import Pack
from cds_service.services.chart import Chart
from cds_service.services.hygiene import Hygiene
from cds_service.services.layout import Laid, Sheet
from cds_service.services.service import Answer, Call
from cds_service.switches import Switches


class Shown(Struct, frozen=True, kw_only=True):
    """The findings to lay out, and what was computed but not shown."""

    findings: list[Finding]
    shadow: tuple[str, ...] = ()
    quiet: tuple[str, ...] = ()

    def answer(self, laid: Sequence[Laid], chart: Chart, counts: dict[str, int] | None = None) -> Answer:
        """The Answer of a service: cards, what the ledger keeps, what audit and metrics count."""
        incomplete = [a.what for a in chart.record.absences if a.reason.value in ("failed", "not permitted")]
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
    """Applies run-time switches and alert hygiene (DESIGN §5.3)."""

    def __init__(self, switches: Switches, hygiene: Hygiene, pack: Pack, zone: ZoneInfo) -> None:
        self._switches = switches
        self._hygiene = hygiene
        self._pack = pack
        self._zone = zone

    def sheet(self, service: str, call: Call) -> Sheet:
        """The layout's view of this call."""
        profile: Profile = call.profile
        return Sheet(
            service=service, profile=profile, zone=self._zone, override_displays=dict(self._pack.override_reasons)
        )

    async def choose(self, call: Call, findings: Sequence[Finding]) -> Shown:
        """Shadowed findings are counted, quiet ones hidden from this user; a failing store hides nothing."""
        shadow = [f for f in findings if self._state(f) is Switch.SHADOW]
        on = [f for f in findings if self._state(f) is Switch.ON]
        context = call.request.context
        quiet = await self._hygiene.load(call.client, context.userId, context.patientId, call.deadline)
        hidden = [f for f in on if f.severity is not Severity.CRITICAL and quiet.hides(f)]
        return Shown(
            findings=[f for f in on if f not in hidden] if hidden else on,
            shadow=tuple(f.rule.id for f in shadow),
            quiet=tuple(f.rule.id for f in hidden),
        )

    def _state(self, finding: Finding) -> Switch:
        return self._switches.rule(finding.rule.id, finding.rule.switch)
