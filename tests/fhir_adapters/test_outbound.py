import asyncio
import logging
import socket
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fhir_adapters import errors
from fhir_adapters.addresses import Policy
from fhir_adapters.outbound import Outbound
from fhir_adapters.server import Limits, retry_after
from tests.fhir_adapters.fixtures import within
from tests.fhir_adapters.misbehaving import (
    Misbehaving,
    answer,
    bundle,
    hang,
    in_turn,
    late,
    reset,
    serving,
    zipped,
)


async def test_an_answer_comes_back_whole_whatever_its_status(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", answer(b"gone", 410, x_trace="7"))
    reply = await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))
    assert (reply.status, reply.body, reply.headers["x-trace"]) == (410, b"gone", "7")


async def test_a_compressed_answer_is_unpacked(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", zipped({"resourceType": "Patient"}))
    reply = await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))
    assert reply.body == b'{"resourceType": "Patient"}'


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "compress"])
async def test_an_encoding_not_asked_for_is_refused(outbound: Outbound, ehr: Misbehaving, encoding: str) -> None:
    ehr.on("Patient", answer(b"{}", content_encoding=encoding))
    with pytest.raises(errors.WrongContentType):
        await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))


async def test_a_broken_compressed_answer_is_a_fault_with_a_name(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", answer(b"not gzip at all", content_encoding="gzip"))
    with pytest.raises(errors.Unreachable):
        await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))


async def test_a_declared_length_over_the_cap_is_not_even_read(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", answer(b" " * 2000))
    with pytest.raises(errors.TooLarge):
        await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5), max_bytes=1000)


async def test_a_connection_that_breaks_in_mid_answer_is_unreachable(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", reset)
    with pytest.raises(errors.Unreachable):
        await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))


async def test_nothing_is_sent_after_the_deadline(outbound: Outbound, ehr: Misbehaving) -> None:
    with pytest.raises(errors.TimedOut):
        await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(-1))
    assert ehr.seen == []


async def test_a_redirect_within_the_origin_is_followed(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", answer(status=307, location="/fhir/Other/p1"))
    ehr.on("Other", answer({"resourceType": "Patient"}))
    reply = await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))
    assert (reply.status, reply.url) == (200, f"{ehr.base}/Other/p1")


async def test_a_redirect_to_another_origin_is_refused_and_not_called(outbound: Outbound, ehr: Misbehaving) -> None:
    class Listener:
        calls = 0

        async def __call__(self, scope: object, receive: object, send: object) -> None:
            self.calls += 1

    other = Listener()
    with serving(other) as port:
        ehr.on("Patient", answer(status=302, location=f"http://127.0.0.1:{port}/fhir/Patient/p1"))
        with pytest.raises(errors.Redirected):
            await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))
    assert other.calls == 0


async def test_redirects_in_a_circle_end(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", answer(status=302, location="/fhir/Patient/p1"))
    with pytest.raises(errors.Redirected, match="too many"):
        await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))
    assert len(ehr.seen) == 4


async def test_a_write_is_never_redirected(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", answer(status=307, location="/fhir/Other"))
    reply = await outbound.request("POST", f"{ehr.base}/Patient", deadline=within(5), content=b"{}")
    assert reply.status == 307
    assert len(ehr.seen) == 1


async def test_a_cookie_of_one_answer_is_not_sent_with_the_next_request(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", answer(b"{}", set_cookie="session=of-another-patient; Path=/"))
    for _ in range(2):
        await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))
    assert "cookie" not in ehr.seen[1].headers


async def test_proxies_of_the_environment_are_not_used(ehr: Misbehaving, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    ehr.on("Patient", answer(b"{}"))
    async with Outbound(Policy(operator=[ehr.origin])) as door:
        reply = await door.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))
    assert reply.status == 200


async def test_nothing_of_an_address_or_a_token_is_logged_at_any_level(
    outbound: Outbound, ehr: Misbehaving, caplog: pytest.LogCaptureFixture
) -> None:
    ehr.on("Observation", answer(bundle(), set_cookie="a=canary-cookie", location="/canary-location"))
    with caplog.at_level(logging.DEBUG):
        await outbound.request(
            "GET",
            f"{ehr.base}/Observation?patient=canary-patient",
            deadline=within(5),
            headers={"Authorization": "Bearer canary-token"},
        )
    assert "canary" not in caplog.text


async def test_connections_are_used_again(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", answer(b"{}"))
    for _ in range(5):
        await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))
    assert len({seen.client for seen in ehr.seen}) == 1


async def test_requests_beyond_an_origins_share_wait_and_other_origins_do_not(ehr: Misbehaving) -> None:
    second = Misbehaving()
    with serving(second) as port:
        second.origin = f"http://127.0.0.1:{port}"
        second.on("Patient", answer(b"{}"))
        ehr.on("Patient", hang)
        policy = Policy(operator=[ehr.origin, second.origin])
        async with Outbound(policy, limits=Limits(per_origin=2)) as door, asyncio.TaskGroup() as group:
            deadline = within(0.6)

            async def expect_timeout() -> None:
                with pytest.raises(errors.TimedOut):
                    await door.request("GET", f"{ehr.base}/Patient/p1", deadline=deadline)

            for _ in range(5):
                group.create_task(expect_timeout())
            await ehr.arrived(2)
            await asyncio.sleep(0.1)
            assert len(ehr.seen) == 2
            reply = await door.request("GET", f"{second.base}/Patient/p1", deadline=within(5))
            assert reply.status == 200


async def test_a_caller_that_goes_away_closes_its_connection_and_leaves_the_breaker_alone(
    outbound: Outbound, ehr: Misbehaving
) -> None:
    ehr.on("Patient", hang)
    task = asyncio.create_task(outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(30)))
    await ehr.arrived(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ehr.seen[0].gone.wait, 5)
    assert outbound.server(ehr.base).breaker.failures == 0


async def test_a_wait_too_short_to_be_fair_is_not_held_against_the_server(ehr: Misbehaving) -> None:
    ehr.on("Patient", hang)
    async with Outbound(Policy(operator=[ehr.origin]), limits=Limits(patience_s=30)) as door:
        with pytest.raises(errors.TimedOut):
            await door.request("GET", f"{ehr.base}/Patient/p1", deadline=within(0.05))
        assert door.server(ehr.base).breaker.failures == 0


async def test_a_refused_connection_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    origin = f"http://127.0.0.1:{port}"
    async with Outbound(Policy(operator=[origin])) as door:
        with pytest.raises(errors.Unreachable, match=r"GET Patient/\{id\}: unreachable: connection refused"):
            await door.request("GET", f"{origin}/Patient/p1", deadline=within(5), where="GET Patient/{id}")


async def test_a_name_that_is_not_found_is_unreachable() -> None:
    async def nobody(host: str, port: int) -> Sequence[str]:
        raise socket.gaierror("no such name")

    async with Outbound(Policy(operator=["http://hapi:8080"]), resolver=nobody) as door:
        with pytest.raises(errors.Unreachable, match="name not found"):
            await door.request("GET", "http://hapi:8080/fhir/Patient/p1", deadline=within(5))


async def test_an_address_that_does_not_answer_gives_way_to_the_next_one_of_the_name(ehr: Misbehaving) -> None:
    port = int(ehr.origin.rsplit(":", 1)[1])

    async def two(host: str, port: int) -> Sequence[str]:
        return ["127.0.0.2", "127.0.0.1"]

    ehr.on("Patient", answer(b"{}"))
    async with Outbound(Policy(operator=[f"http://hapi:{port}"]), resolver=two) as door:
        reply = await door.request("GET", f"http://hapi:{port}/fhir/Patient/p1", deadline=within(5))
    assert reply.status == 200
    assert ehr.seen[0].headers["host"] == f"hapi:{port}"


def certificate(folder: Path, name: str) -> tuple[str, str]:
    """A self-signed certificate for a name; chain and key as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(minutes=5))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    chain, secret = folder / f"{name}.pem", folder / f"{name}.key"
    chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return str(chain), str(secret)


async def test_over_tls_the_name_is_checked_while_the_socket_goes_to_the_vetted_address(tmp_path: Path) -> None:
    files = certificate(tmp_path, "fhir.example.org")
    app, asked = Misbehaving(), []

    async def pinned(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        return ["127.0.0.1"]

    app.on("Patient", answer(b"{}"))
    with serving(app, files) as port:
        origins = [f"https://fhir.example.org:{port}", f"https://other.example.org:{port}"]
        tls = ssl.create_default_context(cafile=files[0])
        async with Outbound(Policy(operator=origins), resolver=pinned, tls=tls) as door:
            for _ in range(2):
                reply = await door.request("GET", f"{origins[0]}/fhir/Patient/p1", deadline=within(5))
                assert reply.status == 200
            with pytest.raises(errors.Unreachable, match="certificate not trusted"):
                await door.request("GET", f"{origins[1]}/fhir/Patient/p1", deadline=within(5))
    assert app.seen[0].headers["host"] == f"fhir.example.org:{port}"
    assert len(app.seen) == 2
    assert asked == ["fhir.example.org", "other.example.org"]


async def test_a_429_is_remembered_for_the_whole_server(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", in_turn(answer(b"", 429, retry_after="0"), answer(b"", 503, retry_after="30"), answer(b"{}")))
    for status in (429, 503):
        reply = await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5))
        assert reply.status == status
        await asyncio.sleep(0.001)
    with pytest.raises(errors.Throttled) as refusal:
        await outbound.request("GET", f"{ehr.base}/Observation", deadline=within(5))
    assert 25 < (refusal.value.retry_after or 0) <= 30
    assert len(ehr.seen) == 2


async def test_a_slow_answer_inside_the_deadline_is_an_answer(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", late(0.1, answer(b"{}")))
    assert (await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(10))).body == b"{}"


def test_retry_after_is_read_in_both_forms_and_bounded() -> None:
    def seconds(text: str) -> float | None:
        return retry_after({"retry-after": text})

    soon = datetime.now(UTC) + timedelta(seconds=20)
    assert seconds("7") == 7
    assert seconds("999999999999") == 300
    assert 15 < (seconds(soon.strftime("%a, %d %b %Y %H:%M:%S GMT")) or 0) <= 20
    assert seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert [seconds(text) for text in ("", "-1", "soon", "1.5")] == [None] * 4


async def test_the_systems_own_look_up_finds_the_loopback(ehr: Misbehaving) -> None:
    port = int(ehr.origin.rsplit(":", 1)[1])
    ehr.on("Patient", answer(b"{}"))
    async with Outbound(Policy(operator=[f"http://localhost:{port}"])) as door:
        reply = await door.request("GET", f"http://localhost:{port}/fhir/Patient/p1", deadline=within(5))
    assert reply.status == 200


async def test_an_answer_too_large_says_nothing_against_the_server(outbound: Outbound, ehr: Misbehaving) -> None:
    ehr.on("Patient", answer(b" " * 2000))
    for _ in range(8):
        with pytest.raises(errors.TooLarge):
            await outbound.request("GET", f"{ehr.base}/Patient/p1", deadline=within(5), max_bytes=1000)
    assert outbound.server(ehr.base).breaker.wait() == 0
