"""Speed of the imaging half: ``python -m tests.benchmarks imaging``. CPU of the decode job, best of several rounds."""

from __future__ import annotations

import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
from rich.table import Table

from cds_service.imaging import rendering
from cds_service.imaging.requests import Render, Source
from cds_service.imaging.seen import Seen
from cds_service.imaging.viewer import Viewer
from cds_service.serve import spare_the_collector
from fhir_adapters.dicom import header, pixels
from fhir_adapters.dicom.limits import Limits
from tests.conftest import SAMPLE_DATA
from tests.fhir_adapters.dicom.made import dicom

LIMITS = Limits()


def best_ms(action: Callable[[], object], rounds: int = 7) -> float:
    """CPU of one call, after a warm-up."""
    action()
    took = []
    for _ in range(rounds):
        began = time.process_time()
        action()
        took.append(time.process_time() - began)
    return min(took) * 1000


def picture(data: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Header, limits, decode, stretch, square of 896: all but the encoding."""
    from cds_service.models.families import medgemma_images

    found, _ = header.read(header.load(data, LIMITS), LIMITS)
    shown, _ = pixels.grey(pixels.open_object(data, found, LIMITS), 0)
    return np.asarray(medgemma_images.square(shown)[0])


def film() -> bytes:
    """Uncompressed 2,048 × 2,048 of twelve bits."""
    values = np.random.default_rng(1).integers(0, 4096, (2048, 2048), dtype=np.uint16)
    return dicom(values, WindowCenter=2000, WindowWidth=3000)


async def ct(folder: Path, slices: int = 300) -> tuple[float, float, int]:
    """Seconds, worst hold of the event loop in ms, pictures."""
    values = np.random.default_rng(1).integers(0, 2048, (512, 512), dtype=np.uint16)
    for i in range(slices):
        (folder / f"{i}.dcm").write_bytes(
            dicom(values, "CT", ImagePositionPatient=[0, 0, float(i)], ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
                  SOPInstanceUID=f"1.2.3.1.{i + 1}", InstanceNumber=i + 1)
        )  # fmt: skip
    viewer = Viewer(None)
    await viewer.start()
    spare_the_collector()  # as ``serve`` does
    loop, worst = asyncio.get_running_loop(), 0.0
    began = time.monotonic()
    task = asyncio.create_task(viewer.file(folder))
    while not task.done():
        at = loop.time()
        await asyncio.sleep(0.001)
        worst = max(worst, loop.time() - at - 0.001)
    seen, took = task.result(), time.monotonic() - began
    await viewer.aclose()
    assert isinstance(seen, Seen), seen
    return took, worst * 1000, len(seen.images)


def rows(table: Table, absolute: Callable[..., None], row: Callable[..., None]) -> None:
    """Measure, one line each."""
    data = film()
    absolute(table, "2k × 2k DX, uncompressed → 896 × 896 RGB", best_ms(lambda: picture(data)), "ms", 80)
    whole = Render(sources=(Source(data=data),))
    table.add_row("the same with the gates and PNG", f"{best_ms(lambda: rendering.answer(whole)):.0f} ms", "", "", "")
    found, _ = header.read(data, LIMITS)
    image = pixels.open_object(data, found, LIMITS)
    plain = best_ms(lambda: pixels.stored(image, 0))
    windowed = best_ms(lambda: pixels.grey(image, 0, "embedded"))
    absolute(table, "VOI by table, 2k × 2k, without decoding", windowed - plain, "ms", 15)
    chest = SAMPLE_DATA / "dicom" / "RG1_J2KI.dcm"
    if chest.exists():
        lossy = chest.read_bytes()
        found, _ = header.read(lossy, LIMITS)
        bare_image = pixels.open_object(lossy, found, LIMITS)
        bare = best_ms(lambda: pixels.stored(bare_image, 0), 5)
        ours = best_ms(lambda: picture(lossy), 5)
        row(table, "J2K lossy 1955 × 1841 / its bare decode", f"{ours:.0f} ms", f"{bare:.0f} ms", ours / bare, 1.25)
    with tempfile.TemporaryDirectory() as folder:
        took, held, count = asyncio.run(ct(Path(folder)))
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    absolute(table, f"CT of 300 slices → {count} RGB, wall", took, "s", 3)
    absolute(table, "memory of a decode worker, at most", spent.ru_maxrss / 1024, "MB", 600)
    absolute(table, "event loop held meanwhile", held, "ms", 20)
