"""The names that standards give: namespaces, Clark names and algorithm addresses, written once.

WSS 1.1.1 keeps the namespaces of 2004 for Security and Timestamp (WSS 1.1.1 section 2.3); XMLDSig is the second edition
of 2008; algorithm addresses are those of RFC 9231.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lxml.etree import _Element

_OASIS: Final = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"

WSSE: Final = f"{_OASIS}wssecurity-secext-1.0.xsd"
WSU: Final = f"{_OASIS}wssecurity-utility-1.0.xsd"
DS: Final = "http://www.w3.org/2000/09/xmldsig#"
WSA: Final = "http://www.w3.org/2005/08/addressing"
WSA_2004: Final = "http://schemas.xmlsoap.org/ws/2004/08/addressing"

EXCLUSIVE_C14N: Final = "http://www.w3.org/2001/10/xml-exc-c14n#"
SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
RSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
ECDSA_SHA256: Final = "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256"
ED25519: Final = "http://www.w3.org/2021/04/xmldsig-more#eddsa-ed25519"
X509V3: Final = f"{_OASIS}x509-token-profile-1.0#X509v3"
BASE64: Final = f"{_OASIS}soap-message-security-1.0#Base64Binary"

ID: Final = f"{{{WSU}}}Id"
SECURITY: Final = f"{{{WSSE}}}Security"
TOKEN: Final = f"{{{WSSE}}}BinarySecurityToken"
TOKEN_REFERENCE: Final = f"{{{WSSE}}}SecurityTokenReference"
TOKEN_POINTER: Final = f"{{{WSSE}}}Reference"
TIMESTAMP: Final = f"{{{WSU}}}Timestamp"
CREATED: Final = f"{{{WSU}}}Created"
EXPIRES: Final = f"{{{WSU}}}Expires"
SIGNATURE: Final = f"{{{DS}}}Signature"

ADDRESSING: Final = {
    f"{{{namespace}}}{name}": name
    for namespace in (WSA, WSA_2004)
    for name in ("MessageID", "To", "Action", "ReplyTo", "From", "RelatesTo", "FaultTo")
}
"""Clark name -> local name of the WS-Addressing headers a signature may point to, in both versions in use."""


def local(element: _Element) -> str:
    """Return an element's local name: what a detail may say of where something is wrong."""
    return str(element.tag).rpartition("}")[2]
