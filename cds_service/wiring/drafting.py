"""Drafts: where they are kept, written and archived."""

from __future__ import annotations

from collections.abc import Callable

from cds_service import __version__
from cds_service.audit import Audit
from cds_service.drafts.archived import Archive
from cds_service.drafts.draft import Draft
from cds_service.drafts.drafts import Drafts
from cds_service.drafts.store import DraftStore
from cds_service.drafts.write_back import WriteBack
from cds_service.encryption import Cipher
from cds_service.errors import ConfigurationError
from cds_service.rules.pack import Pack
from cds_service.settings import Settings
from cds_service.wiring.own_access import record_access
from fhir_adapters.dicom.dicomweb import DicomWeb
from fhir_adapters.outbound import Outbound


def drafts(
    settings: Settings,
    store: DraftStore,
    cipher: Cipher,
    outbound: Outbound,
    audit: Audit,
    pack: Pack,
    count: Callable[[str], None],
) -> Drafts:
    """Drafts, written to the server of the settings; in demo and sandbox to the simulator."""
    record = record_access(settings, outbound)

    def audited(event: str, draft: Draft) -> None:
        by = draft.person.reference if draft.person else ""
        audit.write(
            event,
            client=draft.tenant.partition("\n")[0],
            patient=draft.patient,
            user=by,
            state=draft.filed or draft.state,
            notes=draft.notes,
        )

    configuration = {"software": __version__, "rule-pack": pack.hash}
    return Drafts(
        store,
        cipher,
        WriteBack(record.connect, configuration, spend=record.spend),
        file_unreviewed=settings.file_unreviewed_drafts,
        archive=_archive(settings, outbound),
        count=count,
        audit=audited,
    )


def _archive(settings: Settings, outbound: Outbound) -> Archive | None:
    """Where DICOM SRs of accepted drafts go; None where none are wanted."""
    if not settings.structured_reports:
        return None
    if not settings.dicomweb_url:
        raise ConfigurationError("CDS_STRUCTURED_REPORTS needs an archive to store them in: set CDS_DICOMWEB_URL")
    authorization = settings.dicomweb_authorization.get_secret_value()
    return Archive(DicomWeb(outbound, settings.dicomweb_url, authorization))
