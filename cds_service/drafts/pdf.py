"""Report text to PDF, in a process of its own: ``python -m cds_service.drafts.pdf`` reads text and writes the file."""

from __future__ import annotations

import sys
from io import BytesIO

from fhir_adapters import child_process

LIMIT_S = 20.0


class PdfFailed(RuntimeError):
    """The rendering process gave no file; the draft can be made again."""


async def render(text: str) -> bytes:
    """The PDF of a report's text."""
    try:
        made = await child_process.ask("cds_service.drafts.pdf", text.encode(), LIMIT_S)
    except child_process.ChildFailed as error:
        raise PdfFailed(f"the report could not be rendered: {error}") from None
    if not made.startswith(b"%PDF"):
        raise PdfFailed("the report could not be rendered")
    return made


def _document(text: str) -> bytes:
    from html import escape

    from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
    from reportlab.lib.styles import getSampleStyleSheet  # type: ignore[import-untyped]
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer  # type: ignore[import-untyped]

    style, out = getSampleStyleSheet()["Normal"], BytesIO()
    lines = [Paragraph(escape(line), style) if line.strip() else Spacer(1, 8) for line in text.splitlines()]
    SimpleDocTemplate(out, pagesize=A4, title="AI-drafted imaging report", invariant=1).build(lines)
    return out.getvalue()


if __name__ == "__main__":
    sys.stdout.buffer.write(_document(sys.stdin.buffer.read().decode()))
