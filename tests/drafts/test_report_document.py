"""The report as a document: every word of the text is in it, on every page it says what it is, and no letter is lost unsaid."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from cds_service.drafts import pdf, report_text
from tests.drafts.reads import read

REVIEWER = "Demo, Practitioner, 2026-11-20 09:00 UTC"


def document(text: str) -> bytes:
    return pdf._document(text)


def words(made: bytes) -> str:
    """The text of a PDF as Ghostscript reads it, on one line."""
    if shutil.which("gs") is None:
        pytest.skip("needs Ghostscript")
    command = ["gs", "-q", "-dNOPAUSE", "-dBATCH", "-sDEVICE=txtwrite", "-sOutputFile=-", "-"]
    return " ".join(subprocess.run(command, input=made, capture_output=True, check=True).stdout.decode().split())


def test_it_holds_what_the_text_says_and_its_mark_stands_on_every_page() -> None:
    text = report_text.text(read(), "Chest radiograph", reviewer=REVIEWER, edited="No <b>change</b> & well.\n" * 150)
    made = document(text)
    found = words(made)
    pages = len(re.findall(rb"/Type /Page\b", made))
    assert pages > 1
    assert found.count("WORDED BY A CLINICIAN OVER AN AI DRAFT, NOT SIGNED.") == pages + 1
    assert found.count("No <b>change</b> & well.") == 150
    assert f"Page {pages}" in found


def test_letters_beyond_the_usual_ones_have_a_font_or_are_said_to_be_missing() -> None:
    shown, fonts = pdf._printable("Zmiana ł ≥ 3 cm, α")
    assert shown.startswith("Zmiana ł ≥ 3 cm, [?]")
    assert "no font for (1 in all)" in shown
    assert fonts == pdf.EMBEDDED
    assert b"BitstreamVera" in document("Zmiana ł ≥ 3 cm, α")
    plain = document("Größe unverändert, ± 2 µm")
    assert len(plain) < 10_000  # no font embedded: it travels in cards
    assert "Größe unverändert, ± 2 µm" in words(plain)


def test_the_text_names_the_time_of_the_images_the_comparison_and_the_patients_id() -> None:
    text = report_text.text(
        read(performed="2026-11-20T08:10:00", compared_with="2026-08-01T09:00:00"), "Chest radiograph", patient="p1"
    )
    assert (
        "Images taken: 2026-11-20 08:10\nComparison: earlier image of 2026-08-01 09:00\nPatient: p1 (id in the record)"
        in text
    )
    assert "Images taken: time not recorded\nComparison: none\n" in report_text.text(
        read(performed=""), "Chest radiograph"
    )
