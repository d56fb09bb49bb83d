"""What signatures were judged by, and what cannot be composed again of those that we made."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, LargeBinary, PrimaryKeyConstraint, String, Table, Text

from gateway.store.schema.metadata import INSTANT, METADATA, number

trust_files = Table(
    "trust_files",
    METADATA,
    Column("fingerprint", String(64), primary_key=True, comment="SHA-256 of the content"),
    Column("kind", String, nullable=False, comment="crl or certificate"),
    Column("at", INSTANT, nullable=False, comment="when it was read first"),
    Column("content", LargeBinary, nullable=False, comment="DER"),
)
"""Revocation lists that were judged by and certificates that we signed with, each once. Not of persons: lists have
serial numbers."""

trust_reads = Table(
    "trust_reads",
    METADATA,
    Column("partner", String, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("lists", Text, nullable=False, comment="fingerprints, separated by spaces; empty: none"),
    PrimaryKeyConstraint("partner", "at"),
)
"""From when a partner's certificates were judged by which lists: a row when those are others than before."""

receipts = Table(
    "receipts",
    METADATA,
    number("message", ForeignKey("messages.id")),
    Column("at", INSTANT, nullable=False, comment="when it was signed"),
    Column("certificate", String(64), nullable=False, comment="fingerprint of whose key signed"),
    Column("signature", LargeBinary, nullable=False, comment="as XMLDSig writes it, decoded"),
)
"""The first receipt of a message that was kept, as far as the message's row and leaves do not tell it. Commits to what
stays for good, and to nothing else."""
