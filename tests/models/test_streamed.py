"""A streamed answer is the sum of its parts, or no answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cds_service.models.faults import ConnectionFault, ServerFault, Unreadable
from cds_service.models.remote.streamed import joined


def sent(*events: Any, done: bool = True) -> bytes:
    lines = [b"data: " + json.dumps(event).encode() for event in events]
    return b"\n\n".join([*lines, *([b"data: [DONE]"] if done else [])]) + b"\n\n"


def part(text: str | None = None, finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}


USAGE = {"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}}


def test_the_parts_are_joined_with_the_reason_of_the_end_and_the_counts() -> None:
    first = {"choices": [{"delta": {"role": "assistant"}}]}
    whole = joined(
        b": a comment\r\n\r\n" + sent(first, part("Ser\u2028um "), part("normal."), part(None, "stop"), USAGE)
    )
    assert (whole.content, whole.finish_reason) == ("Ser\u2028um normal.", "stop")
    assert whole.usage is not None
    assert (whole.usage.prompt_tokens, whole.usage.completion_tokens) == (7, 2)


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (sent(part("half"), done=False), ConnectionFault),
        (sent(part("half"), {"error": {"message": "secret", "code": 500}}), ServerFault),
        (sent(part("half"), done=False) + b'error: {"message": "secret"}\n\n', ServerFault),
        (b"data: {not json\n\n", Unreadable),
        (b"data: \xff\n\n", Unreadable),
        (b'{"choices": []}', Unreadable),
        (b"", Unreadable),
    ],
)
def test_a_stream_cut_short_or_with_an_error_in_it_is_no_answer(body: bytes, fault: type[Exception]) -> None:
    with pytest.raises(fault) as raised:
        joined(body)
    assert "secret" not in str(raised.value)
