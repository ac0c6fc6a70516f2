"""What can go wrong between us and an imaging archive, or with an object it gave, by name. Each leaf is one cause.

DicomError
├── ImageUnavailable              the archive gave no image; ``reason`` says why, ask again later or look in the archive
│   ├── NotConfigured             no DICOMweb server: set CDS_DICOMWEB_URL
│   ├── NoEndpoint                the record's endpoint cannot be used and no server is configured
│   ├── NoSuchStudy               404 or an empty answer: the study is not on this server
│   ├── BadMultipart              not multipart, no boundary, or cut off before its closing boundary
│   ├── WebPage                   200 with a page for people: log-in form, captive portal
│   ├── BadAnswer                 JSON or media type that cannot be used
│   └── NotAnswered               refused, unreachable, too slow or too large (the fault of ``fhir_adapters.errors`` is named)
├── StoreFailed                   STOW-RS did not keep the object; ``code`` is the failure reason of PS3.18 table 10.5.3
├── BadObject                     an object that is not decoded
│   ├── NotDicom                  no DICM prefix, or no data set behind it
│   ├── Malformed                 truncated, contradictory or unreadable
│   ├── OverLimit                 more pixels, bytes or frames than the limits, found by arithmetic
│   ├── UnsupportedSyntax         a transfer syntax nothing here decodes, by name
│   ├── UnsupportedPixels         a photometric interpretation or sample layout nothing here reads, by name
│   ├── NoSuchFrame               the frame asked for does not exist
│   ├── NotCalibrated             CT without rescale values: its numbers are not Hounsfield units
│   ├── OtherUnits                CT whose rescaled numbers are no Hounsfield units: maps of iodine, density, atomic number
│   └── Converted                 more bits than its grey values fill: an eight-bit picture, no radiograph
└── WorkerFault                   the decode process did not finish; it is replaced
    ├── WorkerDied                killed or crashed
    ├── WorkerTimedOut            took longer than its time, or than the deadline
    ├── WorkerOutOfMemory         wanted more memory than its limit
    └── JobFailed                 an error inside the job that has no name here; ``detail`` is the kind of exception

No message holds a UID, a header value or a word of the server.
"""

from __future__ import annotations


class DicomError(Exception):
    """Root. ``code`` is one word for metrics and audit."""

    title = "failed"
    code = "failed"

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def reason(self) -> str:
        """In words, without anything of the object or the patient."""
        return f"{self.title}: {self.detail}" if self.detail else self.title

    def __str__(self) -> str:
        return self.reason


class ImageUnavailable(DicomError):
    """The archive gave no image."""

    title = "image unavailable"
    code = "unavailable"


class NotConfigured(ImageUnavailable):
    """Set CDS_DICOMWEB_URL."""

    title = "image unavailable: no DICOMweb server is configured"
    code = "not-configured"


class NoEndpoint(ImageUnavailable):
    """Allow the endpoint's origin, or set CDS_DICOMWEB_URL."""

    title = "image unavailable: no usable endpoint"
    code = "no-endpoint"


class NoSuchStudy(ImageUnavailable):
    """The study is in the record but not on this server."""

    title = "image unavailable: the study is not on the imaging server"
    code = "no-study"


class BadMultipart(ImageUnavailable):
    """``detail`` says what is wrong with the multipart body."""

    title = "image unavailable: broken multipart answer"
    code = "bad-multipart"


class WebPage(ImageUnavailable):
    """Check the address and the log-in of the DICOMweb server."""

    title = "image unavailable: a web page instead of DICOM"
    code = "web-page"


class BadAnswer(ImageUnavailable):
    """``detail`` says what came instead."""

    title = "image unavailable: unusable answer"
    code = "bad-answer"


class NotAnswered(ImageUnavailable):
    """``detail`` is the fault of the request."""

    title = "image unavailable"
    code = "unavailable"


class StoreFailed(DicomError):
    """The object is not stored; ``detail`` holds the failure reason as a number."""

    title = "not stored"
    code = "store-failed"


class BadObject(DicomError):
    """The object is not decoded."""


class NotDicom(BadObject):
    """Not a DICOM file."""

    title = "not a DICOM file"
    code = "not-dicom"


class Malformed(BadObject):
    """``detail`` says what contradicts what."""

    title = "malformed DICOM object"
    code = "malformed"


class OverLimit(BadObject):
    """``detail`` names the limit."""

    title = "too large to decode safely"
    code = "too-large"


class UnsupportedSyntax(BadObject):
    """``detail`` is the transfer syntax by name."""

    title = "transfer syntax not supported"
    code = "transfer-syntax"


class UnsupportedPixels(BadObject):
    """``detail`` names the layout."""

    title = "pixel layout not supported"
    code = "pixel-layout"


class NoSuchFrame(BadObject):
    """``detail`` says how many there are."""

    title = "no such frame"
    code = "no-such-frame"


class NotCalibrated(BadObject):
    """Its values are not Hounsfield units."""

    title = "CT without rescale slope and intercept"
    code = "no-rescale"


class OtherUnits(BadObject):
    """The rescale type (0028,1054) names other units."""

    title = "CT values in other units than Hounsfield's"
    code = "other-units"


class Converted(BadObject):
    """``detail`` says how many grey values there are."""

    title = "converted from an eight-bit picture, not acquired as a radiograph"
    code = "not-acquired"


class WorkerFault(DicomError):
    """The decode process did not finish."""


class WorkerDied(WorkerFault):
    """``detail`` is the signal or exit status."""

    title = "the image decoder was killed or crashed"
    code = "decoder-died"


class WorkerTimedOut(WorkerFault):
    """Longer than its time or the deadline."""

    title = "the image decoder took too long"
    code = "decoder-timeout"


class WorkerOutOfMemory(WorkerFault):
    """More memory than its limit."""

    title = "the image decoder ran out of its memory"
    code = "decoder-memory"


class JobFailed(WorkerFault):
    """``detail`` is the kind of exception, never its message."""

    title = "the image could not be decoded"
    code = "undecodable"
