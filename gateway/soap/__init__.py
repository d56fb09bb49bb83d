"""Bytes <-> envelope: hardened parsing, canonical form, SOAP faults, and WSDL text. No IO; lxml lives here."""
