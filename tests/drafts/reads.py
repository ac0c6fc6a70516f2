"""Reads as the imaging part would hand them over."""

from __future__ import annotations

from cds_service.imaging.read import ImageFinding, Instance, Read
from cds_service.models.engine import Identity

STUDY = "1.2.826.0.1.3680043.8.498.1"


def read(findings: tuple[ImageFinding, ...] | None = None, **changes: object) -> Read:
    if findings is None:
        findings = (
            ImageFinding(
                key="consolidation",
                name="Consolidation",
                region="lungs",
                state="present",
                location="right lower zone",
                side="right",
            ),
            ImageFinding(key="pleural-effusion", name="Pleural effusion", region="pleura", state="absent"),
            ImageFinding(key="cardiomegaly", name="Enlarged heart", region="heart", state="uncertain"),
        )
    members: dict[str, object] = {
        "study_uid": STUDY,
        "modality": "DX",
        "body_part": "CHEST",
        "view": "PA",
        "performed": "2026-11-20T08:00:00Z",
        "identity": Identity("in-process", "tiny/test", "r1"),
        "prompts": ("image-report@1 sha256:aa",),
        "instances": (Instance(study_uid=STUDY, series_uid=f"{STUDY}.1", instance_uid=f"{STUDY}.1.1"),),
        "findings": findings,
        "impression": ("Consolidation in the right lower zone is present.",),
        "test_weights": True,
    }
    return Read(**{**members, **changes})  # type: ignore[arg-type]
