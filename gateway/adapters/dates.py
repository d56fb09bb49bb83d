"""Days, months and moments as partners write them.

What goes on is text in ISO 8601, with no more precision than the partner gave: `2003-02-17`, `2003-02` or `2003`
(reduced precision, ISO 8601-1 section 5.2.2.2). A day that no calendar has stays as written: it is the partner's
statement, and guessing another would be ours.
"""

from __future__ import annotations

import re
from datetime import date, datetime

from gateway import codes
from gateway.adapters.elements import whole
from gateway.errors import ContractError

_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})(?:Z|[+-]\d{2}:\d{2})?", re.ASCII)


def day(text: str, where: str) -> date:
    """Read an `xs:date`, with or without a zone (`2016-11-18+01:00`): the calendar day as written, never moved.

    Raises ContractError (CONTRACT_CONTENT) for years that `xs:date` has but no case can have: before 1, after 9999.
    """
    written = _DAY.fullmatch(text.strip())
    try:
        return date.fromisoformat(written[1] if written else "")
    except ValueError:
        raise ContractError(codes.CONTRACT_CONTENT, f"{where}: not a day of the years 1-9999") from None


def month(text: str, where: str) -> date:
    """Read `YYYYMM` (Skatteverket's redovisningsperiod): its first day. Raises ContractError (CONTRACT_CONTENT)."""
    text = text.strip()
    try:
        return date(int(text[:4]), int(text[4:]), 1)
    except ValueError:
        raise ContractError(codes.CONTRACT_CONTENT, f"{where}: not a month") from None


def reduced(month_: date) -> str:
    """Write a month with the precision it has: `2021-01`."""
    return f"{month_.year:04d}-{month_.month:02d}"


def incomplete(text: str) -> str | None:
    """Read Navet's OfullstandigtDatum, `xs:integer` 0-99999999: `YYYYMMDD`, `YYYYMM00`, `YYYY0000` or 0 for unknown.

    An integer may have lost leading zeros or gained a sign. None where nothing is known.
    """
    digits = f"{whole(text):08d}"
    year, month_, day_ = digits[:4], digits[4:6], digits[6:]
    if digits == "00000000":
        return None
    if month_ == "00" and day_ == "00":
        return year
    try:
        date(int(year), int(month_), int(day_) or 1)
    except ValueError:
        return digits
    return f"{year}-{month_}" if day_ == "00" else f"{year}-{month_}-{day_}"


def moment(text: str, where: str) -> int:
    """Read Navet's andringstidpunkt, `xs:long` `YYYYMMDDhhmmss`, Swedish local time: the same number.

    Raises ContractError (CONTRACT_CONTENT) unless it is a moment: the order of statements about protected identity
    rests on it, so nonsense may not count as the latest.
    """
    number = whole(text)
    try:
        datetime.strptime(f"{number:014d}", "%Y%m%d%H%M%S")  # noqa: DTZ007  # read to be judged only
    except ValueError:
        raise ContractError(codes.CONTRACT_CONTENT, f"{where}: not a moment YYYYMMDDhhmmss") from None
    return number
