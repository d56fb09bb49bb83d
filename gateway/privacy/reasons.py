"""Why something did not pass: stable codes, for audit, events and operators. A sender sees none of them.

What a sender may see is `purpose.coarse`: these codes would tell that a person is protected or what a case is about.
Codes are never renamed or given another meaning: a decision must be readable when the law it rested on is history.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """A gate that a record or a field did not pass, in the order the gates are tried."""

    NO_BASIS = "NO_BASIS"
    """DENY: no basis is about this kind of information in this contract."""
    PARTNER_TYPE_MISMATCH = "PARTNER_TYPE_MISMATCH"
    """DENY: the basis is about another type of partner."""
    BASIS_NOT_YET_VALID = "BASIS_NOT_YET_VALID"
    """DENY: the basis begins after the day of the decision."""
    BASIS_EXPIRED = "BASIS_EXPIRED"
    """DENY: the basis ended before the day of the decision."""
    LAGRUM_NOT_IN_FORCE = "LAGRUM_NOT_IN_FORCE"
    """DENY: a paragraph the basis rests on has no version in force on the day that decides."""
    CITED_BASIS_MISMATCH = "CITED_BASIS_MISMATCH"
    """DENY: what the partner itself cites is missing or is not what the basis accepts."""
    FORBIDDEN_CATEGORY = "FORBIDDEN_CATEGORY"
    """DENY and quarantine: a kind of data that may not come this way, and receiving it is already processing."""
    BALANCING_TEST_OPEN = "BALANCING_TEST_OPEN"
    """REFER: the paragraph weighs interests, and no standing decision has answered for this flow."""
    FREE_TEXT = "FREE_TEXT"
    """REFER: free text can hold anything; a person reads it first."""
    REFERRED_CATEGORY = "REFERRED_CATEGORY"
    """REFER: another kind of data that the basis leaves to a person."""
    FIELD_NOT_IN_BASIS = "FIELD_NOT_IN_BASIS"
    """Withheld: the basis does not name the field."""
    PROTECTED_IDENTITY = "PROTECTED_IDENTITY"
    """Withheld: the field tells where a protected person may be found."""
    PROTECTION_UNKNOWN = "PROTECTION_UNKNOWN"
    """Withheld: nobody has said whether the person is protected, so the field waits."""
    PROTECTED_RELATED = "PROTECTED_RELATED"
    """Withheld: the record names another person who is protected, and the field may tell where that person is."""
