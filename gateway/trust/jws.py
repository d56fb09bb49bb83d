"""A signature beside a JSON text: a JSON Web Signature (RFC 7515) whose payload is the body (appendix F, detached).

    BASE64URL(header) || '..' || BASE64URL(signature)

The verifier puts BASE64URL(body) between the dots. The header names the algorithm (RFC 7518 section 3.1, RFC 8037) and
has our certificate (`x5c`). Whom to believe is the verifier's to say: it is the certificate that signs receipts.
When and for whom the text is, the text says itself.
"""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from typing import Final

import orjson

from gateway.soap import names
from gateway.trust.signing import SigningKey

_ALGORITHMS: Final = {names.ECDSA_SHA256: "ES256", names.RSA_SHA256: "RS256", names.ED25519: "EdDSA"}
"""XMLDSig and JWS write the same bytes for each: of ECDSA, r and s side by side."""


def detached(body: bytes, key: SigningKey) -> str:
    """Return the signature over a body. Raises UnavailableError where the key is on a token that does not answer."""
    header = orjson.dumps({"alg": _ALGORITHMS[key.method], "x5c": [b64encode(key.certificate).decode("ascii")]})
    head = _written(header)
    return f"{head}..{_written(key.sign(f'{head}.{_written(body)}'.encode()))}"


def _written(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
