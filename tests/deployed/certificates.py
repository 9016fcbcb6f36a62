"""A certificate for the emulator and its database, which are reached by TLS as AWS's are."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_NAMES = ("localhost", "*.localhost", "*.execute-api.localhost", "*.s3.localhost")


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate and its private key, as files in PEM."""

    chain: Path
    key: Path

    @classmethod
    def create(cls, folder: Path, *addresses: str) -> Certificate:
        """Create the files.

        Args:
            folder: where they are written.
            addresses: IP addresses that the certificate is for, besides names of localhost.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
        now = datetime.datetime.now(datetime.UTC)
        alternatives: list[x509.GeneralName] = [x509.DNSName(each) for each in _NAMES]
        alternatives += [x509.IPAddress(ip_address(each)) for each in addresses]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        created = cls(folder / "certificate.pem", folder / "key.pem")
        created.chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        created.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return created
