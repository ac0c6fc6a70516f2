"""From stored pixels to calibrated arrays: Hounsfield units, modality values, 8-bit grey, RGB. Worker processes only.

A grey image passes PS3.4 §N.2 in its order: modality LUT, values of interest, polarity. The tables are built once over
the stored values and indexed, so that nothing is computed twice for millions of pixels and no 16-bit value is clamped.
"""

from __future__ import annotations

from io import BytesIO
from typing import Any

import numpy as np
import pydicom
from msgspec import Struct
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileDataset
from pydicom.encaps import get_frame
from pydicom.pixels.processing import apply_color_lut
from pydicom.pixels.utils import pixel_array

from fhir_adapters.dicom import codestream, paddings
from fhir_adapters.dicom.description import Header
from fhir_adapters.dicom.errors import Converted, Malformed, NoSuchFrame, NotCalibrated, OtherUnits, UnsupportedPixels
from fhir_adapters.dicom.header import code, group, number
from fhir_adapters.dicom.limits import Limits, check_expansion
from fhir_adapters.dicom.modes import Voi
from fhir_adapters.dicom.transfer_syntaxes import syntax

Bytes = NDArray[np.uint8]
Values = NDArray[np.float32]
GREY = frozenset({"MONOCHROME1", "MONOCHROME2"})
COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR"})
PERCENTILES = (0.5, 99.5)
OF_HOUNSFIELD = ("", "HU", "US")  # RescaleType; US, unspecified, is what older CTs write
AIR, BONE = -1000.0, 3000.0  # HU; padding beyond is no tissue, within it is not told from tissue
SAMPLE = 65_536  # pixels looked at to count grey values
FEW = 1024  # pixels of an image too small to tell anything by their count
BLOCK = 256  # rows looked up or counted at once: numpy widens each index to 8 bytes, four times a whole film


class Object(Struct, frozen=True):
    """One loaded object: its header and its data set with the pixel data in it."""

    header: Header
    dataset: FileDataset
    limits: Limits


def open_object(data: bytes, header: Header, limits: Limits) -> Object:
    """Read again, pixel data included. To be called once ``header.read`` has let it pass."""
    if header.shape is None:
        raise UnsupportedPixels("no image in it")
    if header.photometric not in GREY | COLOUR:
        raise UnsupportedPixels(header.photometric.lower() or "no photometric interpretation")
    if header.shape.bits_allocated not in (8, 16):
        raise UnsupportedPixels(f"{header.shape.bits_allocated} bits a sample")
    dataset = pydicom.dcmread(BytesIO(data))
    if "PixelData" not in dataset or not dataset.PixelData:
        raise Malformed("no pixel data")
    return Object(header, dataset, limits)


def stored(image: Object, frame: int) -> NDArray[Any]:
    """One decoded frame: rows × columns, or rows × columns × 3 in RGB; palette images still as indices."""
    header = image.header
    shape = header.shape
    if shape is None:
        raise UnsupportedPixels("no image in it")
    if not 0 <= frame < shape.frames:
        raise NoSuchFrame(f"frame {frame + 1} of {shape.frames}")
    known = syntax(header.transfer_syntax, header.bits_stored)
    if known.codec:
        piece = get_frame(image.dataset.PixelData, frame, number_of_frames=shape.frames)
        check_expansion(shape, len(piece), image.limits)
        codestream.check(piece, known.codec, shape)
    found = pixel_array(image.dataset, index=frame, decoding_plugin=known.decoder)
    if found.shape[:2] != (shape.rows, shape.columns):
        raise Malformed("decoded to another size than the header says")
    return found


def hounsfield(image: Object, frame: int) -> Values:
    """Hounsfield units of one CT frame, padding far beyond tissue as air.

    NotCalibrated without both rescale values, for the frame or the object; OtherUnits where these lead to others: dual-energy
    maps of iodine, density or effective atomic number are CT objects too (PS3.3 C.11.1.1.2).
    """
    if image.header.photometric not in GREY:
        raise UnsupportedPixels("CT in colour")
    scale = rescale(image.dataset, frame)
    if scale is None:
        raise NotCalibrated
    if _rescale_type(image.dataset, frame) not in OF_HOUNSFIELD:
        raise OtherUnits
    pixels = stored(image, frame)
    units = pixels.astype(np.float32) * np.float32(scale[0]) + np.float32(scale[1])
    padding = paddings.of_pixels(image.dataset, image.header, pixels)
    if padding is not None:
        units[padding & ((units < AIR) | (units > BONE))] = AIR
    return units


def modality_values(image: Object, frame: int) -> Values:
    """Values after the modality LUT of one grey frame; stored values where the object has none. Padding is the lowest."""
    if image.header.photometric not in GREY:
        raise UnsupportedPixels("colour where grey values are needed")
    pixels = stored(image, frame)
    low, table = _modality_table(image, frame)
    values = np.take(table, pixels.astype(np.int32) - low).astype(np.float32)
    padding = paddings.of_pixels(image.dataset, image.header, pixels)
    if padding is not None and padding.any() and not padding.all():
        values[padding] = values[~padding].min()
    return values


def rescale(dataset: Dataset, frame: int) -> tuple[float, float] | None:
    """Slope and intercept: of the functional groups in an enhanced object (pydicom's apply_rescale misses these)."""
    holder = group(dataset, "PixelValueTransformationSequence", frame)
    for place in (dataset, holder):
        if place is not None and place.get("RescaleSlope") is not None and place.get("RescaleIntercept") is not None:
            slope, intercept = float(place.RescaleSlope), float(place.RescaleIntercept)
            if slope and np.isfinite((slope, intercept)).all():
                return slope, intercept
    return None


def _rescale_type(dataset: Dataset, frame: int) -> str:
    holder = group(dataset, "PixelValueTransformationSequence", frame)
    return code(dataset.get("RescaleType") or (holder.get("RescaleType") if holder is not None else ""))


def acquired_grey(image: Object, frame: int, voi: Voi = "full-range") -> tuple[Bytes, list[str]]:
    """``grey`` of what a detector took: Converted where more than eight bits hold no more values than eight can."""
    pixels = stored(image, frame)
    if image.header.bits_stored > 8 and image.header.conversion != "DF" and pixels.size >= FEW:
        step = max(int((pixels.size / SAMPLE) ** 0.5), 1)
        levels = len(np.unique(pixels[::step, ::step]))  # of all pixels only where these are suspicious
        if 2 < levels <= 256 and (levels := _levels(pixels)) <= 256:
            raise Converted(f"{levels} grey values in {image.header.bits_stored} bits")
    return _shown(image, frame, voi, pixels)


def _levels(pixels: NDArray[Any]) -> int:
    seen = np.zeros(65_536, dtype=np.bool_)
    for top in range(0, len(pixels), BLOCK):
        seen[pixels[top : top + BLOCK].astype(np.uint16)] = True
    return int(seen.sum())


def grey(image: Object, frame: int, voi: Voi = "full-range") -> tuple[Bytes, list[str]]:
    """8-bit grey as it is to be looked at (more is brighter), with the steps taken."""
    return _shown(image, frame, voi, stored(image, frame))


def _shown(image: Object, frame: int, voi: Voi, pixels: NDArray[Any]) -> tuple[Bytes, list[str]]:
    low, values = _modality_table(image, frame)
    steps = [_modality_step(image, frame)]
    padding = paddings.of_values(image.dataset, image.header, low, len(values))
    index = pixels if low == 0 else np.subtract(pixels, low, dtype=np.int32)
    used = _used(index, padding, len(values), image.dataset.get("ModalityLUTSequence") is None)
    shown, how = _window(image, frame, values, used, voi, index)
    steps.append(how)
    if image.header.photometric == "MONOCHROME1" or code(image.dataset.get("PresentationLUTShape")) == "INVERSE":
        shown = np.uint8(255) - shown
        steps.append("inverted once: low stored values are bright")
    if padding is not None and padding.any():
        shown[padding] = 0
        steps.append("padding values shown black")
    return _looked_up(shown, index), [step for step in steps if step]


def colour(image: Object, frame: int) -> tuple[Bytes, list[str]]:
    """8-bit RGB of a colour, palette or grey frame."""
    header = image.header
    if header.photometric in GREY:
        plain, steps = grey(image, frame)
        return np.repeat(plain[:, :, None], 3, axis=2), steps
    pixels = stored(image, frame)
    steps = []
    if header.photometric == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, image.dataset)
        bits = number(image.dataset.RedPaletteColorLookupTableDescriptor[2])
        steps.append(f"palette of {bits} bits applied")
        most = 255 if pixels.dtype == np.uint8 else 65535
    else:
        most = 2**header.bits_stored - 1
        if header.photometric != "RGB":
            steps.append(f"{header.photometric} to RGB")
    if most > 255:
        pixels = np.round(pixels.astype(np.float32) * (255 / most))
        steps.append(f"scaled from 0–{most} to 8 bits")
    return np.clip(pixels, 0, 255).astype(np.uint8)[:, :, :3], steps


def _modality_table(image: Object, frame: int) -> tuple[int, Values]:
    """Lowest stored value and the modality value of every stored value from there on."""
    bits, signed = image.header.bits_stored, image.header.signed
    low = -(2 ** (bits - 1)) if signed else 0
    domain = np.arange(low, low + 2**bits, dtype=np.float32)
    if sequence := image.dataset.get("ModalityLUTSequence"):
        return low, _lookup(sequence[0], domain, signed)
    scale = rescale(image.dataset, frame)
    return low, domain if scale is None else domain * np.float32(scale[0]) + np.float32(scale[1])


def _modality_step(image: Object, frame: int) -> str:
    if image.dataset.get("ModalityLUTSequence"):
        return "modality lookup table applied"
    scale = rescale(image.dataset, frame)
    return f"rescaled: slope {scale[0]:g}, intercept {scale[1]:g}" if scale and scale != (1.0, 0.0) else ""


def _lookup(item: Dataset, values: Values, signed: bool) -> Values:
    """A LUT sequence item (PS3.3 C.11.1.1): values below its first entry take the first, above its last the last."""
    if len(item.get("LUTDescriptor") or ()) != 3 or not item.get("LUTData"):
        raise Malformed("a lookup table without its data")
    entries, first, _bits = (number(part) for part in item.LUTDescriptor)
    entries = entries or 65536
    if signed and first > 32767:
        first -= 65536
    data = item.LUTData
    if isinstance(data, bytes):
        data = np.frombuffer(data, dtype="<u1" if len(data) < 2 * entries else "<u2")
    table = np.asarray(data, dtype=np.float32)[:entries]
    if len(table) < entries:
        raise Malformed("a lookup table shorter than it says")
    return table[np.clip(values - first, 0, entries - 1).astype(np.int64)]


def _used(index: NDArray[Any], padding: NDArray[np.bool_] | None, size: int, monotone: bool) -> NDArray[np.int64]:
    """How often each table entry occurs, padding left out; lowest and highest alone where that is all one needs."""
    if index.size and int(index.max()) >= size:
        raise Malformed("values beyond the bits stored")
    counts = np.zeros(size, dtype=np.int64)
    if padding is None and monotone:
        counts[[int(index.min()), int(index.max())]] = 1
    else:
        for top in range(0, len(index), BLOCK):
            counts += np.bincount(index[top : top + BLOCK].ravel(), minlength=size)
        if padding is not None:
            counts[padding] = 0
    return counts


def _looked_up(table: Bytes, index: NDArray[Any]) -> Bytes:
    shown = np.empty(index.shape, np.uint8)
    for top in range(0, len(index), BLOCK):
        shown[top : top + BLOCK] = table[index[top : top + BLOCK]]
    return shown


def _window(
    image: Object, frame: int, values: Values, used: NDArray[np.int64], voi: Voi, index: NDArray[Any]
) -> tuple[Bytes, str]:
    """The table from stored values to 8 bits, and what it does in words."""
    present = values[used > 0]
    low, high = (float(present.min()), float(present.max())) if present.size else (0.0, 0.0)
    if voi == "embedded":
        return _embedded(image, frame, values, index[::4, ::4] if min(index.shape) >= 256 else index)
    if image.header.bits_stored <= 8 and float(values.min()) >= 0 and float(values.max()) <= 255:
        return np.round(values).astype(np.uint8), "8-bit values kept"
    stretched = np.clip((values - low) * (255.0 / (high - low or 1.0)), 0, 255)
    note = ", embedded window ignored" if voi == "full-range" and _has_voi(image, frame) else ""
    return np.round(stretched).astype(np.uint8), f"stretched from {low:g}–{high:g} to 0–255{note}"


def _has_voi(image: Object, frame: int) -> bool:
    return _voi_of(image, frame) is not None


def _voi_of(image: Object, frame: int) -> Dataset | None:
    holder = group(image.dataset, "FrameVOILUTSequence", frame)
    for place in (image.dataset, holder):
        if place is not None and (place.get("VOILUTSequence") or place.get("WindowWidth") is not None):
            return place
    return None


def _embedded(image: Object, frame: int, values: Values, pixels: NDArray[Any]) -> tuple[Bytes, str]:
    """VOI LUT sequence, else the first window (PS3.3 C.11.2); percentiles where it leaves over half at one end."""
    place = _voi_of(image, frame)
    if place is not None:
        if sequence := place.get("VOILUTSequence"):
            looked = _lookup(sequence[0], values, image.header.signed or bool(values.min() < 0))
            bits = number(sequence[0].LUTDescriptor[2]) or 8
            return np.round(looked * (255 / (2**bits - 1))).clip(0, 255).astype(np.uint8), "VOI lookup table applied"
        centre, width = _first(place.get("WindowCenter")), _first(place.get("WindowWidth"))
        function = code(place.get("VOILUTFunction")) or "LINEAR"
        shown = np.round(_windowed(values, centre, width, function)).astype(np.uint8)
        ends = np.take(shown, pixels)
        if max((ends == 0).mean(), (ends == 255).mean()) <= 0.5:
            return shown, f"window {centre:g}/{width:g} applied ({function.lower()})"
    low, high = np.percentile(np.take(values, pixels), PERCENTILES)
    stretched = np.clip((values - low) * (255.0 / (high - low or 1.0)), 0, 255)
    return np.round(stretched).astype(np.uint8), f"stretched from percentiles {low:g}–{high:g}: no usable window"


def _first(value: Any) -> float:
    try:
        return float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)
    except (TypeError, ValueError, IndexError):
        return 0.0


def _windowed(values: Values, centre: float, width: float, function: str) -> Values:
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, to 0–255."""
    width = max(width, 1.0)
    if function == "SIGMOID":
        shown = 255.0 / (1.0 + np.exp(-4.0 * (values - centre) / width))
    elif function == "LINEAR_EXACT":
        shown = ((values - centre) / width + 0.5) * 255.0
    else:
        shown = ((values - (centre - 0.5)) / max(width - 1.0, 1e-6) + 0.5) * 255.0
    return np.asarray(np.clip(shown, 0, 255), dtype=np.float32)
