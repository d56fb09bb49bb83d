"""The recurring control: what was drawn of each month, and what its reviewers found."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, PrimaryKeyConstraint, String, Table, Text

from gateway.store.schema.metadata import ID, INSTANT, METADATA, number

control_draws = Table(
    "control_draws",
    METADATA,
    Column("month", String(7), primary_key=True),
    Column("seed", String(64), nullable=False, comment="hexadecimal"),
    Column("given", Boolean(create_constraint=False), nullable=False, comment="by a person, who could choose it"),
    Column("size", Integer, nullable=False, comment="to be drawn of each stratum"),
    Column("most", Integer, nullable=False, comment="to be taken of what each question finds"),
    Column("length", ID, nullable=False, comment="of the log then: no later leaf was drawn from"),
    Column("urns", Text, nullable=False, comment="JSON: how many there were of each stratum and question"),
    Column("by", String, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("due", INSTANT, nullable=False, comment="when all of it should have been reviewed"),
    Column("reading", ID, nullable=False, comment="where the log of readings tells of it"),
)
"""A month is drawn from once. Nothing here is about a person, so it outlives gallring."""

control_cases = Table(
    "control_cases",
    METADATA,
    number("id"),
    Column("month", String(7), ForeignKey("control_draws.month"), nullable=False),
    Column("why", String, nullable=False, comment="officials, systems, or a question"),
    Column("lot", String(64), nullable=False),
    Column("position", ID, comment="of the leaf; NULL: it is about more than one, or none"),
    Column("facts", Text, nullable=False, comment="JSON: what the trail then told, without whom it was about"),
    Index("ix_control_cases_month", "month"),
)
"""What somebody must look at. Its leaf may have been destroyed since; that it was drawn is not."""

control_officials = Table(
    "control_officials",
    METADATA,
    Column("case_id", ID, ForeignKey("control_cases.id"), nullable=False),
    Column("official", String, nullable=False),
    PrimaryKeyConstraint("case_id", "official"),
)
"""Whose doing a case is: they do not review it."""

control_marks = Table(
    "control_marks",
    METADATA,
    Column("case_id", ID, ForeignKey("control_cases.id"), nullable=False),
    Column("step", Integer, nullable=False, comment="from 1, for each case; the last counts"),
    Column("outcome", String, nullable=False),
    Column("by", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("at", INSTANT, nullable=False),
    Column("reading", ID, nullable=False, comment="where the log of readings tells of it"),
    PrimaryKeyConstraint("case_id", "step"),
)
"""What reviewers found, and why they say so."""
