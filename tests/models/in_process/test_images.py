"""Images beside text in one batch."""

from __future__ import annotations

import asyncio
from io import BytesIO

import pytest
from PIL import Image as Picture

from cds_service.models.engine import Image, Request
from cds_service.models.in_process.engine import InProcess
from tests.models.in_process.schemas import summary

pytestmark = pytest.mark.asyncio(loop_scope="session")


def picture(shade: int, mode: str = "L") -> Image:
    out = BytesIO()
    image = Picture.new("L", (70, 50), 255 - shade)
    image.paste(shade, (5, 5, 40, 30))
    image.convert(mode).save(out, "PNG")
    return Image(out.getvalue(), label=f"SLICE {shade}")


def asked(*images: Image) -> Request:
    return Request(prompt="Describe what is to be seen.", schema=summary(), max_tokens=400, images=images)


async def test_rows_with_no_one_and_two_images_answer_as_they_do_alone(image_engine: InProcess) -> None:
    requests = [asked(), asked(picture(9)), asked(picture(200), picture(30, "RGB")), asked(picture(128, "RGBA"))]
    together = await asyncio.gather(*(image_engine.generate(r) for r in requests))
    alone = [await image_engine.generate(r) for r in requests]
    assert [a.text for a in together] == [a.text for a in alone]


async def test_an_image_reaches_the_model(image_engine: InProcess) -> None:
    without, dark, light = [
        await image_engine.score_labels(asked(*images), ["A", "B"]) for images in ((), (picture(0),), (picture(255),))
    ]
    assert dark.usage.prompt_tokens >= without.usage.prompt_tokens + 4
    assert dark.logprobs != pytest.approx(dict(light.logprobs), abs=1e-4)


async def test_an_image_mark_written_in_the_text_adds_no_image(image_engine: InProcess) -> None:
    request = Request(
        prompt="<start_of_image> and <image_soft_token>", schema=summary(), max_tokens=400, images=(picture(9),)
    )
    assert (await image_engine.generate(request)).finish_reason == "stop"
