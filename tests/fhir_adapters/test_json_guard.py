import json
import tracemalloc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_adapters.json_guard import JsonRefused, TooDeep, check, check_strictly, decode


def nested(levels: int, inner: bytes = b"1") -> bytes:
    return b'{"a":' * levels + inner + b"}" * levels


def depth_of(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth_of, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth_of, value), default=0)
    return 0


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
def test_nesting_up_to_the_cap_passes_and_one_more_is_refused(opening: bytes, closing: bytes) -> None:
    levels = 100 // len(closing)
    padding = b" " * 200
    check(padding + opening * levels + b"1" + closing * levels)
    with pytest.raises(TooDeep):
        check(padding + opening * levels + b"[]" + closing * levels)


def test_ten_thousand_levels_are_refused() -> None:
    with pytest.raises(TooDeep):
        check(nested(10_000))


def test_levels_left_open_are_refused_as_well() -> None:
    with pytest.raises(TooDeep):
        check(b"[" * 10_000)


def test_brackets_inside_strings_are_not_nesting() -> None:
    check(
        json.dumps({"display": "Potassium [Moles/volume]", "text": "[[[[{{{{" * 100, "more": '\\"[[[' * 100}).encode()
    )


def test_closing_brackets_inside_strings_do_not_hide_nesting() -> None:
    hidden = b'["]",' * 5000 + b"1" + b',"["]' * 5000
    with pytest.raises(TooDeep):
        check(hidden)


def test_escaped_quotes_do_not_hide_nesting() -> None:
    with pytest.raises(TooDeep):
        check(b'["\\"","\\\\",' * 200 + b"1" + b"]" * 200)


def test_many_deep_siblings_are_judged_in_one_pass_each() -> None:
    chain = b"[" * 99 + b"]" * 99
    check(b"[" + b",".join([chain] * 5000) + b"]")


@pytest.mark.parametrize("mark", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"])
def test_a_byte_order_mark_is_refused(mark: bytes) -> None:
    with pytest.raises(JsonRefused, match="byte order mark"):
        check(mark + b"{}")


words = st.text(alphabet='ab[]{}"\\ é', max_size=6)
trees = st.recursive(
    st.none() | st.integers() | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4),
    max_leaves=40,
)


@given(trees, st.integers(1, 12), st.booleans())
def test_the_depth_judged_is_the_depth_of_the_parsed_value(value: Any, cap: int, spaced: bool) -> None:
    body = json.dumps(value, ensure_ascii=False, indent=1 if spaced else None).encode() + b" " * 20
    if depth_of(value) > cap:
        with pytest.raises(TooDeep):
            check(body, cap)
    else:
        check(body, cap)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"a": NaN}', "NaN is not a number"),
        (b'{"a": -Infinity}', "Infinity is not a number"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "a member twice"),
        (b'{"a": 1', "cut off or malformed"),
        (b"", "cut off or malformed"),
        (b'{"a": 1} x', "cut off or malformed"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "byte order mark"),
    ],
)
def test_what_is_no_sound_json_is_refused_with_its_reason(body: bytes, why: str) -> None:
    with pytest.raises(JsonRefused, match=why):
        check_strictly(body)


def test_sound_json_passes_the_strict_check() -> None:
    check_strictly(b' {"a": [1.10, -2e5, true, null, "\\u00e9"], "b": {"a": 1}} ')


def test_a_number_of_a_million_digits_is_not_computed() -> None:
    check_strictly(b'{"a": ' + b"9" * 1_000_000 + b"}")


def test_a_million_members_need_little_memory_beyond_their_own_names() -> None:
    body = b"{" + b",".join(b'"k%d":1' % n for n in range(1_000_000)) + b"}"
    tracemalloc.start()
    check(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * len(body)


class Named(msgspec.Struct):
    name: str = ""


@pytest.mark.parametrize("kind", [Any, Named, list[dict[str, Any]]])
@pytest.mark.parametrize(
    "body", [b'"M\xfcller"', b'{"name":"M\xfcller"}', b'{"x":' + b"[" * 100_000, b"{", b"", b"<html>"]
)
def test_whatever_is_wrong_with_bytes_of_others_is_one_named_error(body: bytes, kind: Any) -> None:
    with pytest.raises(JsonRefused):
        decode(body, kind)


def test_what_is_right_is_built() -> None:
    assert decode('{"name":"Müller"}'.encode(), Named) == Named("Müller")
    assert decode(b"[1]") == [1]
    with pytest.raises(JsonRefused, match="another form"):
        decode(b"[1]", Named)
