"""A folder as one signed file that others' programs open: ASiC-E with XAdES (ETSI EN 319 162-1, EN 319 132-1).

    mimetype                        first, stored, so that the file says by its first bytes what it is
    …                               the files, as they are
    META-INF/manifest.xml           their names and types (OpenDocument 1.2 part 3)
    META-INF/signatures001.xml      one signature over all of them: XAdES baseline B

The signature has one reference a file (by its name, SHA-256 of its bytes) and one to its own SignedProperties: when it
was signed and with which certificate, so that neither can be exchanged. Everything signed is written in its exclusive
canonical form, as all that we sign (`signing`).
"""

from __future__ import annotations

import io
import zipfile
from base64 import b64encode
from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Final
from urllib.parse import quote

from gateway import codes
from gateway.errors import MalformedError
from gateway.soap import names, xml
from gateway.trust import signing
from gateway.trust.signing import SigningKey

MIMETYPE: Final = "application/vnd.etsi.asic-e+zip"
SIGNATURES: Final = "META-INF/signatures001.xml"
MANIFEST: Final = "META-INF/manifest.xml"
_XADES: Final = "http://uri.etsi.org/01903/v1.3.2#"
_ASIC: Final = "http://uri.etsi.org/02918/v1.2.1#"
_ODF: Final = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
_PROPERTIES: Final = "http://uri.etsi.org/01903#SignedProperties"
_TYPES: Final = {
    "json": "application/json",
    "html": "text/html",
    "md": "text/markdown",
    "py": "text/x-python",
    "txt": "text/plain",
    "xml": "application/xml",
    "gz": "application/gzip",
}
_READABLE: Final = 0o644 << 16
_OLDEST: Final = (1980, 1, 1, 0, 0, 0)
"""ZIP has no earlier day. The files' times say nothing here; the same package is the same bytes, but for signatures."""


def packed(files: Mapping[str, bytes], *, key: SigningKey, at: datetime) -> bytes:
    """Return the container: every file as it is, and a signature over all.

    Args:
        files: Bytes by name; none of them in META-INF or called mimetype.
        key: Who signs.
        at: When, aware.

    Raises:
        MalformedError: A name that is the container's own.
        UnavailableError: The key is on a token that does not answer.
    """
    for name in files:
        if name == "mimetype" or name.startswith("META-INF/"):
            raise MalformedError(codes.SOAP_ENVELOPE, f"{name} is the container's own")
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as container:
        _put(container, "mimetype", MIMETYPE.encode(), zipfile.ZIP_STORED)
        for name in sorted(files):
            _put(container, name, files[name])
        _put(container, MANIFEST, _manifest(files))
        _put(container, SIGNATURES, _signed(files, key, at))
    return written.getvalue()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Return the files as a plain ZIP, unsigned."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as container:
        for name in sorted(files):
            _put(container, name, files[name])
    return written.getvalue()


def _put(container: zipfile.ZipFile, name: str, content: bytes, how: int = zipfile.ZIP_DEFLATED) -> None:
    entry = zipfile.ZipInfo(name, _OLDEST)
    entry.compress_type = how
    entry.external_attr = _READABLE
    container.writestr(entry, content)


def _manifest(files: Mapping[str, bytes]) -> bytes:
    entries = [("/", MIMETYPE), *((name, _type(name)) for name in sorted(files))]
    listed = "".join(
        f'<manifest:file-entry manifest:full-path="{xml.escape_attribute(name)}" manifest:media-type="{kind}"/>'
        for name, kind in entries
    )
    return (f'<manifest:manifest xmlns:manifest="{_ODF}" manifest:version="1.2">{listed}</manifest:manifest>').encode()


def _signed(files: Mapping[str, bytes], key: SigningKey, at: datetime) -> bytes:
    """Return the signatures' file. Each part is digested as it is written: exclusive canonical form."""
    ordered = sorted(files)
    properties = _properties(ordered, key, at)
    references = [_file(number, name, files[name]) for number, name in enumerate(ordered)]
    references.append(
        f'<ds:Reference Type="{_PROPERTIES}" URI="#properties"><ds:Transforms><ds:Transform Algorithm='
        f'"{names.EXCLUSIVE_C14N}"></ds:Transform></ds:Transforms>{_digest(properties.encode())}</ds:Reference>'
    )
    info = (
        f'<ds:SignedInfo xmlns:ds="{names.DS}"><ds:CanonicalizationMethod Algorithm="{names.EXCLUSIVE_C14N}">'
        f'</ds:CanonicalizationMethod><ds:SignatureMethod Algorithm="{key.method}"></ds:SignatureMethod>'
        f"{''.join(references)}</ds:SignedInfo>"
    )
    return (
        f'<asic:XAdESSignatures xmlns:asic="{_ASIC}"><ds:Signature xmlns:ds="{names.DS}" Id="signature">{info}'
        f"<ds:SignatureValue>{_base64(key.sign(info.encode()))}</ds:SignatureValue><ds:KeyInfo><ds:X509Data>"
        f"<ds:X509Certificate>{_base64(key.certificate)}</ds:X509Certificate></ds:X509Data></ds:KeyInfo><ds:Object>"
        f'<xades:QualifyingProperties xmlns:xades="{_XADES}" Target="#signature">{properties}'
        "</xades:QualifyingProperties></ds:Object></ds:Signature></asic:XAdESSignatures>"
    ).encode()


def _properties(ordered: Sequence[str], key: SigningKey, at: datetime) -> str:
    """Return what the signature says of itself: when, with which certificate, and what kind of file each one is."""
    kinds = "".join(
        f'<xades:DataObjectFormat ObjectReference="#file-{number}"><xades:MimeType>{_type(name)}</xades:MimeType>'
        "</xades:DataObjectFormat>"
        for number, name in enumerate(ordered)
    )
    return (
        f'<xades:SignedProperties xmlns:xades="{_XADES}" Id="properties"><xades:SignedSignatureProperties>'
        f"<xades:SigningTime>{signing.instant(at)}</xades:SigningTime><xades:SigningCertificateV2><xades:Cert>"
        f'<xades:CertDigest><ds:DigestMethod xmlns:ds="{names.DS}" Algorithm="{names.SHA256}"></ds:DigestMethod>'
        f'<ds:DigestValue xmlns:ds="{names.DS}">{_base64(sha256(key.certificate).digest())}</ds:DigestValue>'
        "</xades:CertDigest></xades:Cert></xades:SigningCertificateV2></xades:SignedSignatureProperties>"
        f"<xades:SignedDataObjectProperties>{kinds}</xades:SignedDataObjectProperties></xades:SignedProperties>"
    )


def _file(number: int, name: str, content: bytes) -> str:
    return f'<ds:Reference Id="file-{number}" URI="{quote(name)}">{_digest(content)}</ds:Reference>'


def _digest(content: bytes) -> str:
    value = _base64(sha256(content).digest())
    return f'<ds:DigestMethod Algorithm="{names.SHA256}"></ds:DigestMethod><ds:DigestValue>{value}</ds:DigestValue>'


def _base64(data: bytes) -> str:
    return b64encode(data).decode("ascii")


def _type(name: str) -> str:
    return _TYPES.get(name.rpartition(".")[2], "application/octet-stream")
