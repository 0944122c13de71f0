"""Makes certificates for a rehearsal's web service: an authority, the service and its caller.

They are useless for anything else: the authority's key is not kept. Their dates need no clock: they are valid to 2100.
"""

import datetime as dt
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tasks.io.data_root.data_root import write_whole

_AUTHORITY = "Rehearsal authority"
_FROM, _TO = dt.datetime(2000, 1, 1, tzinfo=dt.UTC), dt.datetime(2100, 1, 1, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Certificates:
    """PEM files: the authority's certificate; certificate and key of the others."""

    authority: Path
    service: Path
    caller: Path


def make_certificates(folder: Path) -> Certificates:
    """Make an authority, and certificates for the service on loopback and for its caller, in a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _certificate(_AUTHORITY, key, key)
    made = Certificates(folder / "authority.pem", folder / "service.pem", folder / "caller.pem")
    write_whole(made.authority, authority.public_bytes(serialization.Encoding.PEM))
    purposes = {made.service: ExtendedKeyUsageOID.SERVER_AUTH, made.caller: ExtendedKeyUsageOID.CLIENT_AUTH}
    for path, purpose in purposes.items():
        private = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(path.stem, private, key, purpose)
        secret = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        write_whole(path, certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return made


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    signing: ec.EllipticCurvePrivateKey,
    purpose: x509.ObjectIdentifier | None = None,
) -> x509.Certificate:
    is_authority = purpose is None
    unused = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only")
    usage = dict.fromkeys((*unused, "decipher_only"), False)
    usage |= {"digital_signature": not is_authority, "key_cert_sign": is_authority, "crl_sign": is_authority}
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, _AUTHORITY)]))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(_FROM)
        .not_valid_after(_TO)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
    )
    if purpose is not None:
        loopback = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
        builder = builder.add_extension(x509.SubjectAlternativeName(loopback), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    return builder.sign(signing, hashes.SHA256())
