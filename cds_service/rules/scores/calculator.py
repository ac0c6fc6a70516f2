"""What a calculator declares, and the one mechanism by which every calculator answers.

Order of precedence of the answers, the same for all:

1. ``invalid-input``: a declared key holds something impossible (negative, NaN, a word where a number belongs, a boolean
   as a number, a value outside the physical range). Nothing else is concluded from such a request.
2. ``not-applicable``: the patient is outside the validated population. This needs no complete input: a child's NEWS2 is
   not applicable, whether or not the temperature was taken.
3. ``incomplete``: a required input is absent or null; sex other than male or female counts as absent. Where inputs come
   in alternative groups (units, or independent criteria), what is missing of the group the caller began is reported.
4. ``ok``.

Undeclared keys are ignored. Numbers are parsed as decimals exactly as written and compared exactly at thresholds; only
logarithms, roots and powers are taken in binary floating point, on values already parsed exactly.

Titles, formulas, sources and limits are text and stand in ``calculators.toml``.
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Callable, Mapping
from decimal import Decimal
from enum import StrEnum
from importlib import resources
from typing import Any

from msgspec import Struct, convert, structs

from cds_service.rules.catalogue import Source

Value = Decimal | bool | str
Values = Mapping[str, Value]

_NUMBER = re.compile(r"[+-]?\d{1,15}(\.\d{1,30})?([eE][+-]?\d{1,2})?\Z")


class Status(StrEnum):
    """The four answers a calculator has."""

    OK = "ok"
    INCOMPLETE = "incomplete"
    NOT_APPLICABLE = "not-applicable"
    INVALID = "invalid-input"


class Kind(StrEnum):
    """What a JSON value of an input must be. ``EVENT`` speaks only when true: its absence completes no group."""

    NUMBER = "number"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    EVENT = "event"
    CHOICE = "choice"
    SEX = "sex"


class Impossible(ValueError):
    """Inputs that are possible one by one but not together."""


class Input(Struct, frozen=True, kw_only=True):
    """One input: its key, what it means, its UCUM unit, LOINC codes, and what is physically possible.

    ``minimum`` and ``maximum`` are inclusive; ``positive`` excludes zero. ``concept`` is the key of record/units.toml
    that feeds it. ``formula`` is false for inputs that only decide whether the calculator applies.
    """

    key: str
    meaning: str
    kind: Kind = Kind.NUMBER
    unit: str = ""
    loinc: tuple[str, ...] = ()
    concept: str = ""
    minimum: Decimal = Decimal(0)
    maximum: Decimal = Decimal(10000)
    positive: bool = False
    choices: tuple[str, ...] = ()
    required: bool = True
    formula: bool = True

    def parse(self, given: Any) -> Value | None:
        """The value as decimal, boolean or word; None where sex is neither male nor female. Raises ``Impossible``."""
        kind = self.kind
        if kind is Kind.NUMBER or kind is Kind.INTEGER:
            number = decimal(given)
            if (
                number is None
                or not self.minimum <= number <= self.maximum
                or (self.positive and not number)
                or (kind is Kind.INTEGER and number != number.to_integral_value())
            ):
                raise Impossible(self.key)
            return number
        if kind is Kind.BOOLEAN and isinstance(given, bool):
            return given
        if kind is Kind.SEX:
            return given if given in ("male", "female") else None
        if kind is Kind.CHOICE:
            return self._word(given)
        if given is True or given is False:
            return bool(given)
        raise Impossible(self.key)

    def _word(self, given: Any) -> str:
        number = decimal(given)
        word = given if number is None else f"{number.normalize():f}"
        if isinstance(word, str) and word in self.choices:
            return word
        raise Impossible(self.key)


class Output(Struct, frozen=True):
    """One key of the result."""

    key: str
    meaning: str
    unit: str = ""


class Guard(Struct, frozen=True):
    """Outside the validated population: ``reason`` is printed as it stands."""

    reason: str
    applies: Callable[[Values], bool]


class Outcome(Struct, frozen=True):
    """A typed answer: ``result`` is the calculator's own result type where the status is ok."""

    status: Status
    result: Struct | None = None
    missing: tuple[str, ...] = ()
    reason: str = ""


class Text(Struct, frozen=True, forbid_unknown_fields=True):
    """What calculators.toml says of one calculator."""

    title: str
    formula: str
    sources: tuple[Source, ...]
    version: str
    limits: str


_TEXTS = convert(
    tomllib.loads(resources.files(__package__).joinpath("calculators.toml").read_text("utf-8")), dict[str, Text]
)


class Calculator(Struct, frozen=True, kw_only=True):
    """One calculator. ``alternatives`` are groups of inputs of which at least one must be complete."""

    name: str
    text: Text
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    function: Callable[..., Struct]
    guards: tuple[Guard, ...] = ()
    alternatives: tuple[tuple[str, ...], ...] = ()
    accepted: Mapping[str, Input] = {}  # the inputs by key, and the guards' that are none of them
    required: tuple[str, ...] = ()  # keys required outside alternatives
    grouped: frozenset[str] = frozenset()  # keys of alternatives
    events: frozenset[str] = frozenset()  # keys that say nothing when false
    formula: tuple[str, ...] = ()  # keys the function takes

    def parse(self, given: Mapping[str, Any]) -> dict[str, Value]:
        """The declared keys that hold a value. Raises ``Impossible``."""
        values: dict[str, Value] = {}
        for key, raw in given.items():
            item = self.accepted.get(key)
            if item is not None and raw is not None:
                parsed = item.parse(raw)
                if parsed is not None:
                    values[key] = parsed
        return values

    def refusal(self, values: Values) -> str:
        """Why the calculator does not apply to parsed values; '' where it does."""
        for guard in self.guards:
            if guard.applies(values):
                return guard.reason
        return ""

    def calculate(self, given: Mapping[str, Any]) -> Outcome:
        """The typed answer to JSON inputs; never raises for what ``given`` holds."""
        try:
            return self.conclude(self.parse(given), given)
        except Impossible:
            return Outcome(Status.INVALID)

    def conclude(self, values: Values, given: Mapping[str, Any] | None = None) -> Outcome:
        """The typed answer to parsed values; ``given`` tells which keys a caller named, null ones included."""
        reason = self.refusal(values)
        if reason:
            return Outcome(Status.NOT_APPLICABLE, reason=reason)
        missing, used = self._select(values, values if given is None else given)
        if missing:
            return Outcome(Status.INCOMPLETE, missing=missing)
        try:
            return Outcome(Status.OK, self.function(**used))
        except Impossible:
            return Outcome(Status.INVALID)

    def run(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON object that ``calc`` prints: status, every result key, and ``missing`` or ``reason`` where they belong."""
        return self.answer(self.calculate(given))

    def answer(self, outcome: Outcome) -> dict[str, Any]:
        """An outcome as that JSON object, result keys null unless the status is ok."""
        answer: dict[str, Any] = {"status": outcome.status.value}
        result = outcome.result
        for output in self.outputs:
            answer[output.key] = None if result is None else plain(getattr(result, output.key))
        if outcome.status is Status.INCOMPLETE:
            answer["missing"] = list(outcome.missing)
        if outcome.reason:
            answer["reason"] = outcome.reason
        return answer

    def _select(self, values: Values, given: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, Value]]:
        """What is missing, and else what the formula is given: keys of incomplete groups are left out."""
        missing = [key for key in self.required if key not in values]
        if not self.alternatives:
            return tuple(missing), {key: values[key] for key in self.formula if key in values}
        complete = [group for group in self.alternatives if all(self._speaks(key, values) for key in group)]
        if not complete:
            begun = max(self.alternatives, key=lambda group: _progress(group, values, given))
            missing += [key for key in begun if not self._speaks(key, values)]
        open_keys = self.grouped.difference(*complete)
        used = {key: values[key] for key in self.formula if key in values and key not in open_keys}
        return tuple(item.key for item in self.inputs if item.key in missing), used

    def _speaks(self, key: str, values: Values) -> bool:
        """True when the key is given and says something: an event that did not happen says nothing."""
        return key in values and not (key in self.events and values[key] is False)


def declare(
    name: str,
    function: Callable[..., Struct],
    inputs: tuple[Input, ...],
    outputs: tuple[Output, ...],
    *,
    guards: tuple[Guard, ...] = (),
    alternatives: tuple[tuple[str, ...], ...] = (),
) -> Calculator:
    """A calculator with its texts of calculators.toml."""
    grouped = frozenset(key for group in alternatives for key in group)
    return Calculator(
        name=name,
        text=_TEXTS[name],
        inputs=inputs,
        outputs=outputs,
        function=function,
        guards=guards,
        alternatives=alternatives,
        accepted={item.key: item for item in (*GUARD_INPUTS, *inputs)},
        required=tuple(item.key for item in inputs if item.required and item.key not in grouped),
        grouped=grouped,
        events=frozenset(item.key for item in inputs if item.kind is Kind.EVENT),
        formula=tuple(item.key for item in inputs if item.formula),
    )


def _progress(group: tuple[str, ...], values: Values, given: Mapping[str, Any]) -> tuple[int, int]:
    """How far a caller came with a group of inputs: values given, then keys named at all."""
    return sum(key in values for key in group), sum(key in given for key in group)


def decimal(given: Any) -> Decimal | None:
    """A JSON number, or a string that is one, exactly as written; None for anything else, NaN and infinity included."""
    if isinstance(given, Decimal):
        return given if given.is_finite() and -30 < given.adjusted() < 30 else None
    if isinstance(given, bool):
        return None
    if isinstance(given, int):
        return Decimal(given) if abs(given) < 10**15 else None
    if isinstance(given, float):
        return Decimal(repr(given)) if math.isfinite(given) else None
    if isinstance(given, str) and _NUMBER.match(given):
        return Decimal(given)
    return None


def plain(value: Any) -> Any:
    """A result value as JSON has it: decimals become floats, result types become objects."""
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Struct):
        return {name: plain(member) for name, member in structs.asdict(value).items()}
    return value


def younger_than(years: int) -> Guard:
    """The guard ``age<16`` or ``age<18``; silent where age is not given."""

    def applies(values: Values) -> bool:
        age = values.get("age_years")
        return isinstance(age, Decimal) and age < years

    return Guard(f"age<{years}", applies)


PREGNANCY = Guard("pregnancy", lambda values: values.get("pregnant") is True)
# On dialysis, as in acute kidney injury, creatinine is not in the steady state the formulas assume.
UNSTEADY = Guard("acute-state", lambda values: values.get("aki") is True or values.get("dialysis") is True)

GUARD_INPUTS = (
    Input(key="age_years", meaning="age", unit="a", maximum=Decimal(130), required=False),
    Input(key="pregnant", meaning="pregnant now", kind=Kind.BOOLEAN, required=False),
    Input(key="dialysis", meaning="on dialysis", kind=Kind.BOOLEAN, required=False),
    Input(key="aki", meaning="acute kidney injury now", kind=Kind.BOOLEAN, required=False),
)
