from __future__ import annotations

import html
import re
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from cds_service.hooks import markdown
from cds_service.hooks.markdown import clean, escape

# What a careless client does: HTML on, tables and strikethrough on.
CLIENT = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
# Bare addresses as two renderers of GitHub's flavour find them, escaped or not.
AUTOLINK = re.compile(r"(?i)(?:https?|ftp)://|www\.|[-.\w+]@[-\w]")
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![beacon](https://evil.example/p.png)",
    "[ref]: https://evil.example",
    "<https://evil.example>",
    "https://evil.example/a?b=1",
    "HTTP://EVIL.EXAMPLE",
    "www.evil.example",
    "somebody@evil.example",
    "mailto:somebody@evil.example",
    "&lt;b&gt; &#x3c;",
    "\\<b> \\\\<b>",
    "| a | b |\n|---|---|",
    "# heading",
    "- item",
    "+ item",
    "1. item",
    "10) item",
    "---",
    "===",
    ":-",
    "> quote",
    "```\ncode\n```",
    "~~~",
    "    code",
    "`code` *emphasis* __strong__ ~~gone~~",
    "a  \nb",
    "$x$",
    "[^1]: note",
]


def rendered(text: str) -> str:
    """The text a reader sees, when it renders as one plain paragraph."""
    found = re.fullmatch(r"<p>(.*)</p>\n|", CLIENT.render(text), re.DOTALL)
    assert found, CLIENT.render(text)
    inner = found[1] or ""
    assert "<" not in inner
    return html.unescape(inner)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_renders_as_the_words_it_is(text: str) -> None:
    assert rendered(escape(text)).replace(" ", "") == clean(text).replace(" ", "")
    assert not AUTOLINK.search(escape(text))


@pytest.mark.parametrize("before", ["", "Summary\n", "- ", "1. ", "**Potassium** "])
@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_opens_nothing_wherever_it_stands(text: str, before: str) -> None:
    page = CLIENT.render(before + escape(text))
    assert not re.search(r"<(?!/?(?:p|ul|ol|li|strong)>)", page)
    assert page.count("<li>") == (1 if before in ("- ", "1. ") else 0)
    assert page.count("<strong>") == ("**" in before)


@given(st.text())
def test_any_text_renders_as_itself(text: str) -> None:
    assert rendered(escape(text)).replace(" ", "") == clean(text).replace(" ", "")


@given(st.text(alphabet="htpsw:/.@a1[]()<>!#*_`~|&\\-+= \n", max_size=40))
def test_any_mix_of_marks_renders_as_itself_and_links_nowhere(text: str) -> None:
    assert rendered(escape(text)).replace(" ", "") == clean(text).replace(" ", "")
    assert not AUTOLINK.search(escape(text))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20 08:10 · Potassium 6.1 mmol/L · ref 3.5–5.1 · high · Observation/k1",
        "-5 °C",
        "6.1 mmol/L",
        "Patient (female), 76 years",
    ],
)
def test_clinical_text_without_marks_is_left_as_it_is(text: str) -> None:
    assert escape(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\u202eb\u200bc\ufeff", "abc"),
        ("a\x00b\x1bc", "abc"),
        ("a\tb\r\nc\u2028d\xa0e", "a b c d e"),
        ("  a  b  ", "a b"),
        ("a\U000e0041b", "ab"),
        ("a\ud800b", "ab"),
    ],
)
def test_unseen_characters_go_and_blanks_collapse(text: str, expected: str) -> None:
    assert clean(text) == expected


@given(st.text(alphabet="abcXYZ 0123456789,.;:()%/'+=°µ²³·×–—≤≥-@w<*_|\n\t\u200b#", max_size=20))
def test_the_short_way_for_plain_lines_changes_nothing(text: str) -> None:
    with patch.object(markdown, "_PLAIN", re.compile(r"(?!)")):
        careful = markdown.escape(text)
    assert markdown.escape(text) == careful
