"""Charts, true sentences and lies written by somebody who had not read the checks, each with what was found at first look.

When a rate here falls, the remedy is a better rule, not an entry for the very sentence.
"""

from __future__ import annotations

from types import ModuleType

from msgspec import Struct

from tests.grounding.charts import Chart
from tests.grounding.mutations import Lie
from tests.grounding.true_statements import TrueStatement
from tests.grounding.unseen import arthritis, cirrhosis, copd, lithium, neutropenia, preeclampsia, stroke


class Unseen(Struct, frozen=True):
    """One such set; ``first_look`` is what the checks of that day made of it."""

    charts: dict[str, Chart]
    true: list[TrueStatement]
    lies: list[Lie]
    first_look: str


def _gathered(modules: tuple[ModuleType, ...], first_look: str) -> Unseen:
    charts = {module.__name__.rpartition(".")[2]: module for module in modules}
    true = [TrueStatement(key, text, tuple(ids)) for key, m in charts.items() for text, *ids in m.TRUE]
    lies = [
        Lie(kind, key, text, tuple(ids), "")
        for key, m in charts.items()
        for kind, listed in m.LIES.items()
        for text, *ids in listed
    ]
    return Unseen({key: m.CHART for key, m in charts.items()}, true, lies, first_look)


FIRST = _gathered(
    (cirrhosis, preeclampsia, copd),
    "first look: 27 of 571 lies passed (95.3 % caught), 135 of 275 true sentences were dropped (49.1 %); what was found was mended by "
    "general rules",
)
SECOND = _gathered(
    (lithium, neutropenia),
    "first look, after the checks were mended on the first set: 2 of 236 lies passed (99.2 % caught), 13 of 139 true sentences were "
    "dropped (9.4 %); rules were then mended once more (adjectives of organs, two clauses of one sentence, Gram-negative)",
)
THIRD = _gathered(
    (stroke,),
    "first look, after both: 4 of 75 lies passed (94.7 % caught), 6 of 51 true sentences were dropped (11.8 %, five for an "
    "abbreviation); then a finding's size, side and bound were tied to its clause and a count to words",
)
FOURTH = _gathered(
    (arthritis,),
    "first look, after all of these: 2 of 69 lies passed (97.1 % caught), 11 of 43 true sentences were dropped (25.6 %, nine for an "
    'abbreviation or a shorthand nobody had listed); then a strength before "weekly" and "raised from" a drug were mended',
)
