"""Sealing, key rotation, the key of demo mode, pseudonyms."""

from __future__ import annotations

import base64
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from cds_service.encryption import KEY_FILE, Cipher, Unsealable, load_cipher
from cds_service.errors import ConfigurationError
from cds_service.settings import Settings

KEY, OTHER = b"k" * 32, b"o" * 32


@given(plain=st.binary(max_size=300), place=st.binary(max_size=40))
def test_what_is_sealed_opens_again_in_any_process_that_holds_the_key(plain: bytes, place: bytes) -> None:
    sealed = Cipher([KEY]).seal(plain, place)
    assert Cipher([KEY]).unseal(sealed, place) == plain
    assert len(plain) < 8 or plain not in sealed


@given(plain=st.binary(max_size=60), position=st.integers(min_value=0), change=st.integers(min_value=1, max_value=255))
def test_any_changed_byte_is_refused(plain: bytes, position: int, change: int) -> None:
    cipher = Cipher([KEY])
    sealed = bytearray(cipher.seal(plain, b"here"))
    sealed[position % len(sealed)] ^= change
    with pytest.raises(Unsealable):
        cipher.unseal(bytes(sealed), b"here")


@pytest.mark.parametrize("sealed", [b"", b"\x01", b"\x01" * 20, b"plain text that was never sealed at all"])
def test_what_was_never_sealed_is_refused(sealed: bytes) -> None:
    with pytest.raises(Unsealable):
        Cipher([KEY]).unseal(sealed, b"")


def test_a_sealed_value_does_not_open_in_another_place() -> None:
    cipher = Cipher([KEY])
    with pytest.raises(Unsealable):
        cipher.unseal(cipher.seal(b"plain", b"row 1"), b"row 2")


def test_after_a_rotation_old_values_open_and_new_ones_are_sealed_under_the_new_key() -> None:
    old = Cipher([KEY])
    rotated = Cipher([OTHER, KEY])
    assert rotated.unseal(old.seal(b"before", b""), b"") == b"before"
    assert rotated.key_id != old.key_id
    with pytest.raises(Unsealable, match="not configured"):
        old.unseal(rotated.seal(b"after", b""), b"")


def test_two_processes_never_share_an_aes_key() -> None:
    first, second = (Cipher([KEY]).seal(b"same", b"")[:21] for _ in range(2))
    assert first != second


parts = st.lists(st.text(max_size=8), min_size=1, max_size=4)


@given(parts, parts)
def test_row_63_no_two_lists_of_parts_share_a_pseudonym(left: list[str], right: list[str]) -> None:
    assume(left != right)
    cipher = Cipher([KEY])
    assert cipher.pseudonym("kind", *left) != cipher.pseudonym("kind", *right)


def test_pseudonyms_differ_by_kind_and_by_key_and_are_stable() -> None:
    cipher = Cipher([KEY])
    assert cipher.pseudonym("patient", "p1") == Cipher([KEY]).pseudonym("patient", "p1")
    assert cipher.pseudonym("patient", "p1") != cipher.pseudonym("user", "p1")
    assert cipher.pseudonym("patient", "p1") != Cipher([OTHER]).pseudonym("patient", "p1")
    assert len(cipher.pseudonym("patient", "\ud800")) == 32


def test_a_name_given_under_an_older_key_is_known_after_a_rotation() -> None:
    before, rotated = Cipher([KEY]), Cipher([OTHER, KEY])
    assert rotated.pseudonyms("draft", "d1") == [rotated.pseudonym("draft", "d1"), before.pseudonym("draft", "d1")]
    assert before.pseudonyms("draft", "d1") == [before.pseudonym("draft", "d1")]


def test_demo_makes_a_key_once_that_only_its_owner_can_read(tmp_path: Path) -> None:
    settings = Settings(mode="demo", state_dir=tmp_path / "state")
    with ThreadPoolExecutor(8) as together:
        ids = {cipher.key_id for cipher in together.map(lambda _: load_cipher(settings), range(8))}
    assert len(ids) == 1
    assert [path.name for path in settings.state_dir.iterdir()] == [KEY_FILE]
    assert (settings.state_dir / KEY_FILE).stat().st_mode & 0o777 == 0o600


def test_production_never_makes_a_key(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="CDS_ENCRYPTION_KEY"):
        load_cipher(Settings(mode="production", state_dir=tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("written", ["c2hvcnQ=", "not base64 !", base64.b64encode(os.urandom(16)).decode()])
def test_a_key_that_is_none_is_refused_with_how_to_make_one(written: str) -> None:
    with pytest.raises(ConfigurationError, match="openssl rand"):
        load_cipher(Settings.model_validate({"encryption_key": written}))


def test_several_keys_are_given_with_commas() -> None:
    keys = ",".join(base64.b64encode(key).decode() for key in (OTHER, KEY))
    cipher = load_cipher(Settings.model_validate({"mode": "production", "encryption_key": keys}))
    assert cipher.unseal(Cipher([KEY]).seal(b"old", b""), b"") == b"old"


def test_fingerprints_tell_bodies_apart_and_agree_between_processes_of_one_key() -> None:
    key = bytes(range(32))
    one, other = Cipher([key]), Cipher([key])
    body = b'{"hook":"patient-view"}' * 4000
    assert one.fingerprint(body) == other.fingerprint(body)
    changed = [body[:at] + b"~" + body[at + 1 :] for at in (0, len(body) // 2, len(body) - 1)]
    assert len({one.fingerprint(each) for each in (body, *changed, body + b" ", b"")}) == 6
    assert Cipher([bytes(32)]).fingerprint(body) != one.fingerprint(body)
