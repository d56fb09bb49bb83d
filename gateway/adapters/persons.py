"""Person numbers as partners write them, read to one form: twelve digits, and what kind they are.

Nothing is refused here. A failed check digit is flagged, because official samples and old registers have them, and a
number that follows no form we know goes on as written with kind OTHER: GD- and TP-numbers, interim numbers, times of
birth. Whom such a number means, a person must say.
"""

from __future__ import annotations

import re
from datetime import date

from stdnum import luhn

from gateway.message import NumberKind, Person

_FORM = re.compile(r"(?P<century>18|19|20)?(?P<short>\d{6})(?P<sign>[-+]?)(?P<last>[0-9A-Z]\d{3})", re.ASCII)
_PLAIN = re.compile(r"(?:18|19|20)\d{10}", re.ASCII)
_PADDED = re.compile(r"\+?0*((?:18|19|20)\d{10})", re.ASCII)
_ORGANISATION = re.compile(r"16\d\d[2-9]\d{7}", re.ASCII)

_SAMORDNING = 60
"""What a samordningsnummer adds to the day of birth (lag (2022:1697) om samordningsnummer)."""
_HUNDRED = 100


def read(written: str, *, on: date | None = None, sekel: str | None = None) -> Person:
    """Read a person number in any of the forms that partners use.

    Args:
        written: Twelve digits; ten with `-` or none, or with `+` from the year the person turns a hundred
            (folkbokföringslagen (1991:481) 18 §); an `xs:integer` with sign or padding; an interim number with a
            letter first among the last four.
        on: A day when the person lived: settles the century of ten digits. Without it they stay as written.
        sekel: The century beside ten digits, `19` (CSN's form); then leading zeros may have been lost.
    """
    text = written.strip()
    plain = _PLAIN.fullmatch(text) is not None
    if not plain:
        if sekel is not None and text.isdecimal():
            text = sekel + text.zfill(10)
        text = _twelve(text, on) or text
        plain = _PLAIN.fullmatch(text) is not None
    if not plain:
        return Person(number=text, kind=NumberKind.OTHER, check_digit_valid=False)
    # Luhn's algorithm, last ten digits (folkbokföringslagen 18 §). Navet's FodelsetidNr ends in 0000 and has no check.
    checks = not text.endswith("0000") and luhn.checksum(text[2:]) == 0
    return Person(number=text, kind=_kind(text), check_digit_valid=checks)


def is_organisation(written: str) -> bool:
    """Say whether this is `16` and an organisation number, whose third digit is at least 2: no person at all."""
    return _ORGANISATION.fullmatch(written.strip()) is not None


def _twelve(text: str, on: date | None) -> str | None:
    if padded := _PADDED.fullmatch(text):
        return padded[1]
    form = _FORM.fullmatch(text.upper())
    if form is None:
        return None
    century = form["century"] or (_century(form["short"], form["sign"], on) if on else None)
    return f"{century}{form['short']}{form['last']}" if century else None


def _century(short: str, sign: str, on: date) -> str | None:
    """Return the latest century in which the person was born by then, a hundred years earlier after a `+`."""
    year = int(short[:2])
    latest = on.year - _HUNDRED if sign == "+" else on.year
    year += (latest - year) // _HUNDRED * _HUNDRED
    month, day = int(short[2:4]), int(short[4:]) % _SAMORDNING
    if sign != "+" and year == on.year and (month, day) > (on.month, on.day):
        year -= _HUNDRED
    return f"{year // _HUNDRED:02d}"


def _kind(text: str) -> NumberKind:
    if text[8:11] == "000":  # birth numbers start at 001
        return NumberKind.OTHER
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    if day < _SAMORDNING:
        return NumberKind.PERSONNUMMER if _is_day(year, month, day) else NumberKind.OTHER
    # A samordningsnummer may be given on an uncertain time of birth: month 00, day 60.
    possible = _is_day(year, month or 1, day - _SAMORDNING or 1)
    return NumberKind.SAMORDNINGSNUMMER if possible else NumberKind.OTHER


def _is_day(year: int, month: int, day: int) -> bool:
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
