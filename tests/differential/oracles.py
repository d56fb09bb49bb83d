"""Signing stacks that others wrote, each with the two verbs `sign` and `verify`.

`verify` raises `Disagreement` where the stack says no. What they check differs (none knows this gateway's profile), so
a test asks them only what they know: do digest and signature value agree with the key in the token?
"""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import signxml
import xmlsec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree
from zeep.wsse.signature import BinarySignature

from tests import forge
from tests.forge import DS, WSSE, WSU, Recipe


class DisagreementError(Exception):
    """The other stack does not accept the signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Oracle:
    """A foreign stack."""

    name: str
    sign: Callable[[Recipe], bytes]
    verify: Callable[[bytes], None]
    rsa_only: bool = False


def _certificate(root: etree._Element) -> x509.Certificate:
    token = root.find(f".//{{{WSSE}}}BinarySecurityToken")
    return x509.load_der_x509_certificate(base64.b64decode(token.text))


def _public_pem(root: etree._Element) -> bytes:
    return (
        _certificate(root)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


# --- python-xmlsec ----------------------------------------------------------------------------------------------------


def _template(recipe: Recipe) -> forge.Envelope:
    """Build an envelope with an empty signature, for stacks that fill in templates."""
    envelope = forge.sign(forge.build(recipe), recipe.credential)
    for value in envelope.signature.iter(f"{{{DS}}}DigestValue", f"{{{DS}}}SignatureValue"):
        value.text = None
    return envelope


def _xmlsec_sign(recipe: Recipe) -> bytes:
    envelope = _template(recipe)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(recipe.credential.key_pem, xmlsec.KeyFormat.PEM, None)
    for local in forge.PARTS:
        part = envelope.part(local)
        if part is not None:
            context.register_id(part, "Id", WSU)
    context.sign(envelope.signature)
    return envelope.bytes()


def _xmlsec_verify(data: bytes) -> None:
    root = etree.fromstring(data)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(_public_pem(root), xmlsec.KeyFormat.PEM, None)
    for node in root.iter():
        if isinstance(node.tag, str) and node.get(f"{{{WSU}}}Id"):
            context.register_id(node, "Id", WSU)
    try:
        context.verify(root.find(f".//{{{DS}}}Signature"))
    except xmlsec.Error as error:
        raise DisagreementError(str(error)) from None


# --- signxml ----------------------------------------------------------------------------------------------------------

_METHODS = {True: signxml.SignatureMethod.RSA_SHA256, False: signxml.SignatureMethod.ECDSA_SHA256}
_EXCLUSIVE = signxml.CanonicalizationMethod.EXCLUSIVE_XML_CANONICALIZATION_1_0


def _signxml_sign(recipe: Recipe) -> bytes:
    envelope = forge.build(recipe)
    is_rsa = isinstance(recipe.credential.key, rsa.RSAPrivateKey)
    signer = signxml.XMLSigner(
        method=signxml.SignatureConstructionMethod.detached,
        signature_algorithm=_METHODS[is_rsa],
        digest_algorithm=signxml.DigestAlgorithm.SHA256,
        c14n_algorithm=_EXCLUSIVE,
    )
    references = [
        signxml.SignatureReference(URI=reference.uri, c14n_method=_EXCLUSIVE)
        for reference in forge.references(envelope)
    ]
    key_info = forge.token_reference()
    signature = signer.sign(
        envelope.root,
        key=recipe.credential.key,
        key_info=key_info,
        reference_uri=references,
        always_add_key_value=False,
    )
    envelope.security.append(signature)
    return envelope.bytes()


def _signxml_verify(data: bytes) -> None:
    root = etree.fromstring(data)
    certificate = _certificate(root)
    is_rsa = isinstance(certificate.public_key(), rsa.RSAPublicKey)
    version = etree.QName(root).namespace
    count = len(root.findall(f".//{{{DS}}}Reference"))
    config = signxml.SignatureConfiguration(
        location=f"./{{{version}}}Header/{{{WSSE}}}Security/",
        expect_references=count,
        signature_methods=frozenset({_METHODS[is_rsa]}),
        digest_algorithms=frozenset({signxml.DigestAlgorithm.SHA256}),
    )
    try:
        signxml.XMLVerifier().verify(data, x509_cert=certificate, expect_config=config)
    except signxml.InvalidSignature as error:
        raise DisagreementError(str(error)) from None


# --- zeep -------------------------------------------------------------------------------------------------------------


def _zeep_sign(recipe: Recipe) -> bytes:
    """Sign as zeep's users do: it signs Body and Timestamp, and places everything itself."""
    envelope = forge.build(recipe)
    envelope.security.remove(envelope.token)
    with tempfile.TemporaryDirectory() as folder:
        key, certificate = Path(folder, "key.pem"), Path(folder, "certificate.pem")
        key.write_bytes(recipe.credential.key_pem)
        certificate.write_bytes(recipe.credential.pem)
        plugin = BinarySignature(
            str(key),
            str(certificate),
            signature_method=xmlsec.Transform.RSA_SHA256,
            digest_method=xmlsec.Transform.SHA256,
        )
        root, _headers = plugin.apply(envelope.root, {})
    return etree.tostring(root)


# --- the xmlsec1 command ----------------------------------------------------------------------------------------------

COMMAND = shutil.which("xmlsec1")


def need_command() -> str:
    """Return the xmlsec1 command. A missing one fails in CI, and elsewhere is said aloud."""
    if COMMAND is None:
        if os.environ.get("CI") == "true":
            pytest.fail("xmlsec1 is not installed (Debian package xmlsec1)")
        pytest.skip("NOT RUN: the xmlsec1 command is not installed (Debian package xmlsec1)")
    return COMMAND


def _ids(root: etree._Element) -> list[str]:
    names = {
        etree.QName(node).localname: etree.QName(node).namespace
        for node in root.iter()
        if isinstance(node.tag, str) and node.get(f"{{{WSU}}}Id")
    }
    return [option for local, space in names.items() for option in ("--id-attr:Id", f"{space}:{local}")]


def _run(arguments: list[str]) -> bytes:
    done = subprocess.run(arguments, capture_output=True, check=False, timeout=20)
    if done.returncode != 0:
        raise DisagreementError(done.stderr.decode(errors="replace")[:500])
    return done.stdout


def _command_sign(recipe: Recipe) -> bytes:
    envelope = _template(recipe)
    with tempfile.TemporaryDirectory() as folder:
        key, template = Path(folder, "key.pem"), Path(folder, "template.xml")
        key.write_bytes(recipe.credential.key_pem)
        template.write_bytes(envelope.bytes())
        return _run([need_command(), "--sign", "--privkey-pem", str(key), *_ids(envelope.root), str(template)])


def _command_verify(data: bytes) -> None:
    root = etree.fromstring(data)
    with tempfile.TemporaryDirectory() as folder:
        key, file = Path(folder, "key.pem"), Path(folder, "message.xml")
        key.write_bytes(_public_pem(root))
        file.write_bytes(data)
        _run([need_command(), "--verify", "--pubkey-pem", str(key), *_ids(root), str(file)])


XMLSEC = Oracle(name="xmlsec", sign=_xmlsec_sign, verify=_xmlsec_verify)
SIGNXML = Oracle(name="signxml", sign=_signxml_sign, verify=_signxml_verify)
ZEEP = Oracle(name="zeep", sign=_zeep_sign, verify=_xmlsec_verify, rsa_only=True)
XMLSEC1 = Oracle(name="xmlsec1", sign=_command_sign, verify=_command_verify)
ORACLES = (XMLSEC, SIGNXML, ZEEP, XMLSEC1)
