"""A read: what a model saw in the images of one study, finding by finding, after every gate. The report is made from it alone."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from cds_service.models.engine import Identity

State = Literal["present", "absent", "uncertain"]
Change = Literal["", "new", "more", "same", "less", "gone", "uncertain"]


class Instance(Struct, frozen=True, kw_only=True):
    """One image the model was shown. UIDs only: nothing else of a header leaves the decoder."""

    study_uid: str
    series_uid: str
    instance_uid: str
    frame: int = 0


class ImageFinding(Struct, frozen=True, kw_only=True):
    """One finding of the closed list of its modality."""

    key: str  # of prompts/image-report/findings.toml: 'pleural-effusion'
    name: str  # printed name
    region: str  # 'lungs', 'pleura', 'heart' …
    state: State
    location: str = ""  # 'left lower zone'; '' where none was given
    side: Literal["", "left", "right", "bilateral"] = ""
    change: Change = ""  # against the earlier study of ``Read.compared_with``; '' where none was compared


class Box(Struct, frozen=True, kw_only=True):
    """Where a structure lies on one instance. Corners in stored pixels of that frame, after the padding was undone."""

    structure: str  # 'right lung'
    instance: int  # index into ``Read.instances``
    top: float
    left: float
    bottom: float
    right: float


class Read(Struct, frozen=True, kw_only=True):
    """One finished read. ``refused`` says why there is none, else ''. Serialisable with msgspec."""

    study_uid: str
    modality: str  # DICOM code: CR, DX, CT, MR
    body_part: str  # 'CHEST'
    view: str = ""  # PA, AP, LL
    performed: str = ""  # study date and time as the record or the header gives it, ISO 8601
    identity: Identity | None = None
    prompts: tuple[str, ...] = ()  # 'image-report@1 sha256:…'
    instances: tuple[Instance, ...] = ()
    findings: tuple[ImageFinding, ...] = ()
    compared_with: str = ""  # date of the earlier study, ISO 8601
    boxes: tuple[Box, ...] = ()
    impression: tuple[str, ...] = ()  # sentences made by template from the findings
    compared: tuple[
        str, ...
    ] = ()  # items of the images' patient that agree with the record: 'patient id', 'birth date'
    archive: str = ""  # base URL of the DICOMweb server of the images, '' for the configured one
    steps: tuple[str, ...] = ()  # what was done to the pixels, in order
    limits: tuple[str, ...] = ()  # what was not looked at or not sure
    dropped: dict[str, int] = field(default_factory=dict)  # why answers were discarded → how many
    test_weights: bool = False  # made by weights that know nothing: said on every page and card
    refused: str = ""
