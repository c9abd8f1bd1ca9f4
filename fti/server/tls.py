"""The certificates of one run of the server, signed by an authority made for it alone."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import Any

# What the client expects in the certificate of the query service, whatever its address
# (`override_hostname` in hsfs/core/arrow_flight_client.py).
SERVICE_DOMAIN = "consul"
QUERY_SERVICE = f"flyingduck.service.{SERVICE_DOMAIN}"
VALID = dt.timedelta(days=30)
CLOCKS_DIFFER = dt.timedelta(hours=1)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key, both as PEM."""

    certificate: str
    key: str


@dataclass(frozen=True)
class Certificates:
    """What server and clients need; `authority` is the certificate (PEM) that clients trust."""

    authority: str
    server: Pair
    client: Pair


def make_certificates(host: str) -> Certificates:
    """Make an authority and what it signs: a server at an IP address, and the clients."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = _name("fti server authority")
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    signing = _usage(key_cert_sign=True, crl_sign=True)
    authority = _signed(name, name, key.public_key(), key, (constraints, True), (signing, True))
    addresses = [x509.IPAddress(ipaddress.ip_address(host)), x509.DNSName("localhost")]
    names = x509.SubjectAlternativeName([*addresses, x509.DNSName(QUERY_SERVICE)])
    leaf = (x509.BasicConstraints(ca=False, path_length=None), True)
    serves = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    asks = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)
    return Certificates(
        _pem(authority),
        _leaf("localhost", authority, key, (names, False), leaf, serves),
        _leaf("fti client", authority, key, leaf, asks),
    )


def _leaf(name: str, authority: Any, authority_key: Any, *extensions: tuple[Any, bool]) -> Pair:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _signed(
        _name(name), authority.subject, key.public_key(), authority_key, *extensions
    )
    form = serialization.PrivateFormat.PKCS8
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return Pair(_pem(certificate), pem.decode())


def _signed(
    subject: Any, issuer: Any, public_key: Any, signing_key: Any, *extensions: tuple[Any, bool]
) -> Any:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    now = dt.datetime.now(dt.UTC)
    # Python 3.13 and later refuse a certificate that does not say whose key signed it.
    identity = x509.SubjectKeyIdentifier.from_public_key(public_key)
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing_key.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_DIFFER)
        .not_valid_after(now + VALID)
        .add_extension(identity, critical=False)
        .add_extension(signer, critical=False)
    )
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(signing_key, hashes.SHA256())


def _usage(**allowed: bool) -> Any:
    from cryptography import x509

    uses = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment",
        "key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**dict.fromkeys(uses, False) | allowed)


def _name(text: str) -> Any:
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _pem(certificate: Any) -> str:
    from cryptography.hazmat.primitives import serialization

    return certificate.public_bytes(serialization.Encoding.PEM).decode()
