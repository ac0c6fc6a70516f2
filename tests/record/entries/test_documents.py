"""Reports and notes: only inline text, bounded, plain; nothing is fetched."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from cds_service.record.entries import documents
from tests.record.resources import chart, resource


def inline(text: str | bytes, kind: str = "text/plain") -> dict[str, Any]:
    body = text.encode() if isinstance(text, str) else text
    return {"contentType": kind, "data": b64encode(body).decode()}


def note(attachment: dict[str, Any], **members: Any) -> Any:
    content = [{"attachment": attachment}]
    made = resource("DocumentReference", status="current", type={"text": "Note"}, content=content, **members)
    return chart(made).documents[0]


def test_a_plain_text_is_read_line_by_line() -> None:
    assert note(inline("Chest pain.\r\n\r\n  Since  yesterday.\u202e")).text == "Chest pain.\nSince yesterday."


def test_html_is_reduced_to_what_a_reader_sees() -> None:
    html = "<html><head><title>t</title><style>p{}</style></head><body><p>A &amp; B<script>x()</script></p><p>C</p>"
    assert note(inline(html, "text/html; charset=utf-8")).text == "A & B\nC"


def test_the_charset_of_the_attachment_is_honoured_and_a_wrong_one_survived() -> None:
    assert note(inline("Größe".encode("latin-1"), "text/plain; charset=ISO-8859-1")).text == "Größe"
    assert note(inline("Größe", "text/plain; charset=nonsense")).text == "Größe"
    assert "�" in note(inline(b"\xff\xfe\xfa")).text


@pytest.mark.parametrize(
    ("attachment", "said"),
    [
        ({"contentType": "application/pdf", "data": "AAAA"}, "attachment not read: application/pdf"),
        (
            {"contentType": "text/plain", "url": "http://evil.example/note"},
            "attachment not read: text/plain, not inline",
        ),
        ({}, "attachment not read: unknown type, not inline"),
    ],
)
def test_what_is_no_inline_text_is_not_read_and_not_fetched(attachment: dict[str, Any], said: str) -> None:
    made = note(attachment)
    assert (made.text, made.note) == ("", said)


@pytest.mark.parametrize("data", ["%%%", "A", "AAA", "====", "é"])
def test_broken_base64_is_nothing(data: str) -> None:
    assert "\x00" not in note({"contentType": "text/plain", "data": data}).text


def test_a_long_text_is_cut_and_says_so() -> None:
    made = note(inline("word " * 200_000))
    assert (len(made.text) <= documents.TEXT_LIMIT, made.note) == (True, "text cut")


def test_all_documents_together_stay_within_their_room_newest_first() -> None:
    count = documents.ALL_TEXT // documents.TEXT_LIMIT + 5
    made = [
        resource("DocumentReference", status="current", date=f"2020-01-01T{i // 60:02}:{i % 60:02}:00Z",
                 content=[{"attachment": inline("x" * documents.TEXT_LIMIT)}]) | {"id": f"d{i}"}
        for i in range(count)
    ]  # fmt: skip
    record = chart(*reversed(made))
    assert sum(len(d.text) for d in record.documents) <= documents.ALL_TEXT
    assert record.documents[0].text
    assert record.documents[-1].text == ""
    assert any("documents was cut" in said for said in record.truncated)


def test_a_report_says_its_conclusion_and_its_text() -> None:
    report = resource(
        "DiagnosticReport", status="final", code={"text": "Chest radiograph"}, issued="2026-11-19T10:00:00Z",
        conclusion="No focal opacity.", conclusionCode=[{"text": "Normal chest"}], presentedForm=[inline("Findings: none.")],
    )  # fmt: skip
    (made,) = chart(report).reports
    assert made.text == "No focal opacity.\nNormal chest\nFindings: none."


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("DiagnosticReport", {"status": "cancelled"}),
        ("DiagnosticReport", {"status": "registered"}),
        ("DiagnosticReport", {"status": "entered-in-error"}),
        ("DocumentReference", {"status": "superseded"}),
        ("DocumentReference", {"status": "current", "docStatus": "entered-in-error"}),
    ],
)
def test_what_no_longer_stands_is_left_out_and_counted(kind: str, members: dict[str, Any]) -> None:
    record = chart(resource(kind, **members))
    assert (record.reports, record.documents, record.excluded.total()) == ([], [], 1)
