"""The key of an assessment: a keyed hash of everything its result depends on, the tenant first.

Another fact, another draft, another question, prompt, engine, rule pack, switched rule or version of this code gives
another key, so that nothing old is ever shown (fault row 60), and no tenant can name another's results (row 63).
Neither the service that asks nor the numbers of the facts are part of it: what one hook had made another one finds.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec

from cds_service import __version__
from cds_service.assessments.places import ranged
from cds_service.assessments.task import Subject, Task
from cds_service.encryption import Cipher
from cds_service.models.engine import Identity
from cds_service.models.prompting.record_inputs import age, sex
from cds_service.rules.pack import Pack

ROOMS = ("record", "rules", "grounding", "models", "assessments")  # what a result passes through on its way


class Keys:
    """Makes keys. One for the life of the service."""

    def __init__(self, cipher: Cipher) -> None:
        self._cipher = cipher
        self._pack: Pack | None = None
        self._rules = ""

    def key(self, tenant: str, task: Task, subject: Subject, identity: Identity, pack: Pack) -> str:
        """32 hex digits that tell nothing. ``tenant`` is the client with its tenant, as its token names them."""
        return self._cipher.pseudonym(
            "assessment",
            tenant,
            subject.record.person.reference,
            task.name,
            task.label,
            *(identity.engine, identity.model, identity.revision),
            self._rules_of(pack),
            code_version(),
            digest(task, subject),
        )

    def _rules_of(self, pack: Pack) -> str:
        if pack is not self._pack:
            states = sorted((rule.id, rule.version, rule.switch.value) for rule in pack.rules.values())
            self._rules = hashlib.sha256(msgspec.json.encode((pack.hash, states))).hexdigest()
            self._pack = pack
        return self._rules


def digest(task: Task, subject: Subject) -> str:
    """SHA-256 over all that the prompt could hold. Of the clock only the day counts: words like "yesterday" turn with it."""
    worked = subject.worked
    if not worked.record:
        worked.record = _beside_the_facts(subject)
    about = (worked.record, ranged(task, subject).digest, subject.question)
    return hashlib.sha256(msgspec.json.encode(about)).hexdigest()


def _beside_the_facts(subject: Subject) -> str:
    """What ``record_inputs.inputs`` gives a prompt beside the facts themselves, and what the rules found."""
    record = subject.record
    held = (
        age(record),
        sex(record.person),
        record.now.astimezone(subject.zone).date(),
        [(absence.what, absence.reason) for absence in record.absences],
        subject.selection.left_out,
        subject.zone.key,
    )
    found = [(f.rule.id, f.key, f.severity, sorted([fact.reference for fact in f.facts])) for f in subject.findings]
    return hashlib.sha256(msgspec.json.encode((held, found))).hexdigest()


@lru_cache(maxsize=1)
def code_version() -> str:
    """The version, and a hash over the source of the rooms a result passes through. Some ten milliseconds, once."""
    digest = hashlib.sha256()
    for room in ROOMS:
        for path, content in _sources(files("cds_service").joinpath(room), room):
            digest.update(f"{path}\0{len(content)}\0".encode() + content)
    return f"{__version__} {digest.hexdigest()}"


def _sources(folder: Traversable, at: str) -> list[tuple[str, bytes]]:
    found = []
    for each in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if each.is_dir() and each.name != "__pycache__":
            found += _sources(each, f"{at}/{each.name}")
        elif each.name.endswith((".py", ".toml")):
            found.append((f"{at}/{each.name}", each.read_bytes()))
    return found
