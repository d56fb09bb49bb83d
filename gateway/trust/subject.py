"""Whose a certificate is: the organisation number in its subject.

Swedish organisation certificates carry the number in subject serialNumber (X.520 2.5.4.5), and issuers write it in
different ways. These forms are taken, and no other:

    5560269986      556026-9986          ten digits, as Bolagsverket writes it
    165560269986    16556026-9986        with 16 in the century's place, as Skatteverket writes it
    SE5560269986                         with the country before it

Not taken, on purpose: `SE5560269986-1003` (an HSA-id: it names somebody or something *in* the organisation, so an
employee's card would speak for the employer), and the personnummer of a sole trader: a person's number must never
become the name of a partner in logs, leaves and receipts.
"""

from __future__ import annotations

import re

from cryptography import x509
from cryptography.x509.oid import NameOID
from stdnum.exceptions import ValidationError
from stdnum.se import orgnr

from gateway import codes
from gateway.errors import UntrustedError
from gateway.message import OrganisationNumber

_FORMS = re.compile(r"(?:16)?(?P<first>[0-9]{6})-?(?P<last>[0-9]{4})|SE(?P<whole>[0-9]{10})")
_LEAST_THIRD_DIGIT = "2"
"""Lag (1974:174) om identitetsbeteckning för juridiska personer m.fl.: keeps the numbers apart from birth months."""


def organisation_number(written: str) -> OrganisationNumber:
    """Return the ten digits of an organisation number in one of the forms above.

    Raises:
        UntrustedError: CERT_SUBJECT, another form, a wrong check digit or a person's number.
    """
    match = _FORMS.fullmatch(written)
    if match is None:
        raise UntrustedError(codes.CERT_SUBJECT, "serialNumber has no known form of an organisation number")
    digits = match["whole"] or match["first"] + match["last"]
    if digits[2] < _LEAST_THIRD_DIGIT:
        raise UntrustedError(codes.CERT_SUBJECT, "serialNumber is not the number of a legal person")
    try:
        return OrganisationNumber(orgnr.validate(digits))
    except ValidationError:
        raise UntrustedError(codes.CERT_SUBJECT, "serialNumber has a wrong check digit") from None


def organisation(certificate: x509.Certificate) -> OrganisationNumber:
    """Return the organisation a certificate names.

    Raises:
        UntrustedError: CERT_SUBJECT, there is not exactly one serialNumber, or it is no organisation number.
    """
    return organisation_number(_only(certificate, NameOID.SERIAL_NUMBER, "serialNumber"))


def common_name(certificate: x509.Certificate) -> str:
    """Return the subject's one commonName.

    Raises:
        UntrustedError: CERT_SUBJECT, there is not exactly one.
    """
    return _only(certificate, NameOID.COMMON_NAME, "commonName")


def _only(certificate: x509.Certificate, oid: x509.ObjectIdentifier, name: str) -> str:
    found = certificate.subject.get_attributes_for_oid(oid)
    if len(found) != 1:
        # With two, one reader would take the first and another the last.
        raise UntrustedError(codes.CERT_SUBJECT, f"{len(found)} {name} attributes instead of one")
    value = found[0].value
    if not isinstance(value, str):
        raise UntrustedError(codes.CERT_SUBJECT, f"{name} is not text")
    return value
