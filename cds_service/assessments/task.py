"""What one question to a model is about, and what is left of the answer once it was checked.

A task owns a prompt, the way its answer is read, and its own gates. It knows nothing of stores, jobs or cards.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol
from zoneinfo import ZoneInfo

from msgspec import Struct, field

from cds_service.grounding.statement import Statement
from cds_service.models.engine import Engine, Identity
from cds_service.record.facts import Fact, Order, Record
from cds_service.record.salience import Selection
from cds_service.rules.catalogue import Finding


class Ranged(NamedTuple):
    """Facts in an order their numbers have no part in, and a digest over all that a prompt could hold of them."""

    facts: Sequence[Fact]
    digest: str


class Worked:
    """What is worked out once for all questions of a call over one record, one selection and one set of findings."""

    __slots__ = ("ranged", "record")

    def __init__(self) -> None:
        self.record = ""  # digest of what a prompt holds beside the facts (key.py)
        self.ranged: dict[tuple[int, ...], Ranged] = {}  # by the identities of the facts offered (places.py)


class Subject(Struct, frozen=True, kw_only=True):
    """One patient's record as the rules saw it, and what is asked of it."""

    record: Record
    selection: Selection  # the facts offered, most important first
    findings: Sequence[Finding]  # switched on; their facts are the critical ones
    zone: ZoneInfo
    order: Order | None = None  # triage, order-review
    question: str = ""  # question
    waiting: bool = False
    worked: Worked = field(default_factory=Worked)  # shared by the subjects of a call


class Checked(Struct, frozen=True, kw_only=True):
    """What may be shown of one answer. ``discarded`` says why nothing may, else ''. Serialisable with msgspec."""

    task: str
    prompt: str  # 'triage@1 sha256:…'
    identity: Identity
    statements: list[Statement] = field(default_factory=list)
    facts: dict[str, str] = field(default_factory=dict)  # fact id → 'Observation/k1', for the ids that are cited
    category: str = ""  # triage: routine, urgent, asap, stat; '' where the model abstains
    provisional: bool = False  # a label without its rationale yet
    silent: bool = False  # question: the record does not say
    dropped: dict[str, int] = field(default_factory=dict)  # by reason, no words of the record
    discarded: str = ""


class Task(Protocol):
    """One prompt with everything that belongs to it."""

    @property
    def name(self) -> str:
        """Folder of ``prompts``; ``triage-label`` asks the prompt ``triage`` for its label alone."""
        ...

    @property
    def label(self) -> str:
        """``triage@1 sha256:…``: part of every cache key."""
        ...

    @property
    def scores(self) -> bool:
        """True when it needs an engine that scores labels."""
        ...

    def offered(self, subject: Subject) -> Sequence[Fact]:
        """The facts its prompt would hold, the order included: what the cache key's digest covers, beside the question."""
        ...

    async def run(self, engine: Engine, subject: Subject) -> Checked:
        """Ask, read, check. Raises only what ``models/faults.py`` lists."""
        ...
