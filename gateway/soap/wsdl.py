"""A contract's WSDL as it is served: the file in `schemas/`, with the addresses a client needs filled in.

The file stays the one truth and works offline; only where to send (`soap:address`) and where to fetch (`xsd:import`,
`xsd:include`, `wsdl:import`) depend on where the gateway stands.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urljoin

from lxml import etree

from gateway.config import Limits
from gateway.errors import ConfigError, MalformedError
from gateway.soap import xml

_ADDRESSES: Final = tuple(f"{{http://schemas.xmlsoap.org/wsdl/{binding}/}}address" for binding in ("soap", "soap12"))
_XSD: Final = "http://www.w3.org/2001/XMLSchema"
_IMPORTS: Final = {
    f"{{{_XSD}}}import": "schemaLocation",
    f"{{{_XSD}}}include": "schemaLocation",
    "{http://schemas.xmlsoap.org/wsdl/}import": "location",
}
_LIMITS: Final = Limits()


def located(text: bytes, *, service: str, schemas: str) -> bytes:
    """Return the WSDL or XSD with its addresses filled in.

    Args:
        text: The file.
        service: The address messages are sent to.
        schemas: The address of the folder that the file stands in; relative locations are resolved against it.

    Raises:
        ConfigError: the file is not XML.
    """
    try:
        root = xml.parse(text, _LIMITS)
    except MalformedError as error:
        raise ConfigError(f"a WSDL or XSD below schemas/: {error.detail or error.code.english}") from None
    folder = schemas if schemas.endswith("/") else f"{schemas}/"
    for address in root.iter(*_ADDRESSES):
        address.set("location", service)
    for element in root.iter(*_IMPORTS):
        attribute = _IMPORTS[element.tag]
        place = element.get(attribute)
        if place is not None:
            element.set(attribute, urljoin(folder, place))
    return etree.tostring(root, encoding="utf-8", xml_declaration=True)
