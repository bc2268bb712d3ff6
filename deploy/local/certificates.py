"""Certificates that servers of one data directory show each other: mutual TLS on the loopback
interface.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import (
    SECP256R1,
    EllipticCurvePrivateKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from deploy.local.ports import LOOPBACK
from deploy.local.program import write_private

VALID = timedelta(days=3650)  # they are made anew at each start
SKEW = timedelta(days=1)  # a clock that is set back meanwhile must not turn them away


@dataclass(frozen=True, kw_only=True)
class Certificates:
    """Files of one authority and of the one key pair that it signed."""

    authority: Path
    certificate: Path
    key: Path

    @classmethod
    def make(cls, folder: Path) -> Self:
        """Draw an authority and a key pair for 127.0.0.1; the authority's own key is thrown away.

        The files are replaced, readable by their owner alone. Whoever lacks `key` can't pass for a
        server or a client.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        files = cls(
            authority=folder / "ca.crt", certificate=folder / "node.crt", key=folder / "node.key"
        )
        authority_key, node_key = (
            generate_private_key(SECP256R1()),
            generate_private_key(SECP256R1()),
        )
        authority = _certificate(
            "MatteForge authority", authority_key, "MatteForge authority", authority_key
        )
        node = _certificate("matteforge", node_key, "MatteForge authority", authority_key)
        write_private(files.authority, authority.public_bytes(Encoding.PEM).decode())
        write_private(files.certificate, node.public_bytes(Encoding.PEM).decode())
        pem = node_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(files.key, pem.decode())
        return files


def _certificate(
    name: str, key: EllipticCurvePrivateKey, issuer: str, issuer_key: EllipticCurvePrivateKey
) -> x509.Certificate:
    """A certificate of `key`; an authority's when it signs itself."""
    now, own = datetime.now(UTC), key is issuer_key
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(name))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - SKEW)
        .not_valid_after(now + VALID)
        .add_extension(x509.BasicConstraints(ca=own, path_length=0 if own else None), critical=True)
    )
    if not own:
        address = x509.IPAddress(ip_address(LOOPBACK))
        uses = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        builder = builder.add_extension(x509.SubjectAlternativeName([address]), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])
