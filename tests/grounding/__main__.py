"""``python -m tests.grounding``: the rates of the mutation suite, by class, for the charts the checks grew up with, the held-out and the unseen ones."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from tests.grounding import charts, held_out
from tests.grounding.mutations import lies
from tests.grounding.rates import FALSE_DROPS, THRESHOLDS, Rates, measure
from tests.grounding.true_statements import all_true
from tests.grounding.unseen import FIRST, FOURTH, SECOND, THIRD


def both() -> tuple[Rates, Rates]:
    """The rates on the known and on the held-out set."""
    known = measure(charts.CHARTS, all_true(), lies())
    other = measure(held_out.CHARTS, held_out.TRUE, lies(7, held_out.TRUE, held_out.CHARTS))
    return known, other


def main() -> None:
    """Print the table."""
    table = Table(title="Grounding: lies caught and true sentences dropped", caption=held_out.FIRST_LOOK)
    for heading in ("class", "known", "caught", "held out", "caught", "target"):
        table.add_column(heading, justify="left" if heading == "class" else "right")
    known, other = both()
    for kind, least in THRESHOLDS.items():
        table.add_row(kind, *(cell for r in (known, other) for cell in _caught(r, kind)), f"≥ {least:.0%}")
    total = [(sum(r.lies.values()), 1 - len(r.missed) / sum(r.lies.values())) for r in (known, other)]
    table.add_row("all", *(cell for n, share in total for cell in (str(n), f"{share:.1%}")), "")
    drops = [cell for r in (known, other) for cell in (str(r.true), f"{r.false_drop_rate:.1%}")]
    table.add_row("true, dropped", *drops, f"≤ {FALSE_DROPS:.0%}", style="bold")
    Console(width=110).print(table)
    for name, unseen in (("first", FIRST), ("second", SECOND), ("third", THIRD), ("fourth", FOURTH)):
        found = measure(unseen.charts, unseen.true, unseen.lies)
        caught = f"{1 - len(found.missed) / len(unseen.lies):.1%} of {len(unseen.lies)} lies caught"
        dropped = f"{found.false_drop_rate:.1%} of {found.true} true sentences dropped"
        Console().print(f"unseen, {name}: {caught}, {dropped} ({unseen.first_look})", highlight=False)
    for each, reason, word in other.dropped:
        Console().print(f"dropped, held out: {each.text} — {reason.value} ({word})", highlight=False)


def _caught(rates: Rates, kind: str) -> tuple[str, str]:
    return (str(rates.lies[kind]), f"{rates.caught(kind):.1%}") if rates.lies[kind] else ("0", "—")


if __name__ == "__main__":
    main()
