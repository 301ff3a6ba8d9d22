"""https goes to the checked address and still verifies the name."""

from __future__ import annotations

import datetime
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest

from backend.errors import ImageError
from backend.images import ImageFetcher, ImagePolicy

from .servers import Server, body, serving

pytestmark = pytest.mark.unit

x509 = pytest.importorskip("cryptography.x509", reason="makes the test's own certificate")


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for photos.test with its key, as one PEM file."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "photos.test")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("photos.test")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "photos.test.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path


@pytest.fixture
def names() -> list[str | None]:
    """The server names that clients asked for in their handshakes."""
    return []


@pytest.fixture
def tls_server(certificate: Path, names: list[str | None], png: bytes) -> Iterator[Server]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.sni_callback = lambda connection, name, _: names.append(name)
    with serving(tls=context) as running:
        running.routes["/a"] = body(png)
        yield running


def fetch(server: Server, host: str) -> bytes:
    policy = ImagePolicy(allowed_hosts=("127.0.0.1",), timeout_seconds=10)
    with ImageFetcher(policy, resolve=lambda host, port: ["127.0.0.1"]) as fetcher:
        return fetcher.fetch(f"https://{host}:{server.port}/a")


def test_the_name_is_sent_and_verified(
    tls_server: Server, names: list[str | None], certificate: Path, png: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    assert fetch(tls_server, "photos.test") == png
    assert names == ["photos.test"]


def test_a_certificate_for_another_name_is_refused(
    tls_server: Server, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with pytest.raises(ImageError, match="certificate") as caught:
        fetch(tls_server, "other.test")
    assert caught.value.reason == "unreachable"
    assert tls_server.asked == []


def test_an_unknown_authority_is_refused(tls_server: Server) -> None:
    with pytest.raises(ImageError, match="certificate") as caught:
        fetch(tls_server, "photos.test")
    assert caught.value.reason == "unreachable"
