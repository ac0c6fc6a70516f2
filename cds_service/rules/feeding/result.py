"""What feeding a calculator from a record gives."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cds_service.record.facts import Fact
from cds_service.rules import calculators


class ScoreResult(Struct, frozen=True):
    """One calculator fed from a record.

    ``result`` is the JSON that ``calc`` prints. Where parts are missing and the known ones already give a lower bound,
    ``bound`` is true and ``result`` has ``at_least`` beside the nulls. Two reasons exist only here: ``deceased`` and
    ``maintenance-dialysis``. ``inputs`` are the facts used; ``missing`` and ``text`` are words to print.
    """

    name: str
    result: dict[str, Any]
    inputs: tuple[Fact, ...] = ()
    missing: tuple[str, ...] = ()
    bound: bool = False
    text: str = ""

    @property
    def ok(self) -> bool:
        """True when the calculator answered with a value."""
        return bool(self.result["status"] == "ok")

    @property
    def at_least(self) -> int | None:
        """The total, or the bound where parts are missing; None where neither is known."""
        if self.bound:
            return int(self.result["at_least"])
        for key in ("total", "score", "stage"):
            value = self.result.get(key)
            if isinstance(value, int):
                return value
        return None


def withheld(name: str, reason: str, text: str, facts: tuple[Fact, ...] = ()) -> ScoreResult:
    """A score the record's own state forbids: every result key null, the reason, and the facts behind it."""
    empty = dict.fromkeys(output.key for output in calculators.CALCULATORS[name].outputs)
    return ScoreResult(name, {"status": "not-applicable", **empty, "reason": reason}, facts, text=text)
