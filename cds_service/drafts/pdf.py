"""Report text to PDF, in a process of its own: ``python -m cds_service.drafts.pdf`` reads text and writes the file."""

from __future__ import annotations

import sys
from collections.abc import Container
from io import BytesIO

from fhir_adapters import child_process

LIMIT_S = 20.0
CORE = ("Helvetica", "Helvetica-Bold")  # in every reader: the file stays small
EMBEDDED = ("Vera", "VeraBd")  # they come with reportlab, and have more letters
MISSING = "[?]"
LACKING = (
    "{mark} stands for a letter this document has no font for ({count} in all); the text form of the report has them."
)


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
    """A4, the first line as a banner, and again at the foot of every page: no page can be taken for a signed report."""
    from html import escape

    from reportlab.lib.pagesizes import A4  # type: ignore[import-untyped]
    from reportlab.lib.styles import ParagraphStyle  # type: ignore[import-untyped]
    from reportlab.lib.units import mm  # type: ignore[import-untyped]
    from reportlab.pdfgen.canvas import Canvas  # type: ignore[import-untyped]
    from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer  # type: ignore[import-untyped]

    text, (font, bold) = _printable(text)
    plain = ParagraphStyle("plain", fontName=font, fontSize=9.5, leading=14)
    item = ParagraphStyle("item", plain, leftIndent=5 * mm, bulletIndent=1 * mm)
    strong = ParagraphStyle("strong", plain, fontName=bold, spaceBefore=3, spaceAfter=1, keepWithNext=True)
    banner = ParagraphStyle("banner", strong, borderWidth=1, borderColor="#7a4b00", borderPadding=6, spaceAfter=12)
    first, *lines = text.splitlines()

    def style(line: str) -> ParagraphStyle:
        return item if line.startswith("- ") else strong if line.endswith(":") or line[:9].isupper() else plain

    def foot(canvas: Canvas, document: SimpleDocTemplate) -> None:
        canvas.setFont(font, 7)
        canvas.drawString(20 * mm, 10 * mm, first)
        canvas.drawRightString(190 * mm, 10 * mm, f"Page {document.page}")

    flow = [Paragraph(escape(first), banner)]
    for line in lines:
        words, bullet = (line[2:], "•") if line.startswith("- ") else (line, None)
        flow.append(Paragraph(escape(words), style(line), bulletText=bullet) if line.strip() else Spacer(1, 6))
    out, margin = BytesIO(), 20 * mm
    made = SimpleDocTemplate(
        out, pagesize=A4, title="AI-drafted imaging report", invariant=1, leftMargin=margin, rightMargin=margin,
        topMargin=margin, bottomMargin=margin,
    )  # fmt: skip
    made.build(flow, onFirstPage=foot, onLaterPages=foot)
    return out.getvalue()


def _printable(text: str) -> tuple[str, tuple[str, str]]:
    """The text and its fonts. What no font here has (Greek, Chinese …) stands as a mark, and a last line says so."""
    text = text.replace("\t", " ")
    try:
        text.encode("cp1252")
    except UnicodeEncodeError:
        known = _embedded()
        shown = "".join(c if c == "\n" or ord(c) in known else MISSING for c in text)
        lacking = shown.count(MISSING) - text.count(MISSING)
        note = f"\n\n{LACKING.format(count=lacking, mark=MISSING)}\n" if lacking else ""
        return shown.rstrip() + note, EMBEDDED
    return text, CORE


def _embedded() -> Container[int]:
    """Registers the fonts; the code points they have."""
    from pathlib import Path

    import reportlab  # type: ignore[import-untyped]
    from reportlab.pdfbase import pdfmetrics  # type: ignore[import-untyped]
    from reportlab.pdfbase.ttfonts import TTFont  # type: ignore[import-untyped]

    folder = Path(reportlab.__file__).parent / "fonts"
    for name in EMBEDDED:
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))
    known: Container[int] = pdfmetrics.getFont(EMBEDDED[0]).face.charToGlyph
    return known


if __name__ == "__main__":
    sys.stdout.buffer.write(_document(sys.stdin.buffer.read().decode()))
