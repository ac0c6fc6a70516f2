"""Drafts from a read to the record: kept sealed, decided by a person, written once (DESIGN §5.6, §5.7)."""

from __future__ import annotations

from cds_service.drafts.draft import Decision, Draft, Person
from cds_service.imaging.read import Read


class Drafts:
    """Every draft of this service. Imaging calls ``put``; cards call ``of_study``; the review pages do the rest."""

    async def put(
        self,
        read: Read,
        *,
        patient: str,
        study_reference: str,
        tenant: str,
        encounter: str = "",
        based_on: tuple[str, ...] = (),
    ) -> Draft:
        """The draft of a finished read. The same tenant, study, prompts and engine give the same draft.

        ``ValueError`` for a read that was refused: there is nothing to report.
        """
        raise NotImplementedError

    async def of_study(self, tenant: str, study_uid: str) -> Draft | None:
        """The newest draft of a study, None when there is none."""
        raise NotImplementedError

    async def get(self, id: str) -> Draft | None:  # noqa: A002
        """A draft by the id of its address."""
        raise NotImplementedError

    async def decide(self, id: str, decision: Decision, person: Person) -> Draft:  # noqa: A002
        """Keep what a person decided, then bring the record to it; ``fault`` of the answer says when that failed."""
        raise NotImplementedError
