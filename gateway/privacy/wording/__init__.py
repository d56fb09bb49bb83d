"""Every reason in plain Swedish and English, with its paragraph, who must act, and what to do: for people at FK.

Read by `explain`. No partner sees any of it: what a partner may be told is `answers.coarse`. A text says what stands in
the way and why the law has it so; it never quotes what was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.config.law import Obligation
from gateway.privacy.reasons import Reason
from gateway.privacy.wording import contents, grounds
from gateway.privacy.wording.forms import WHO, Who, Wording

__all__ = ["OBLIGATIONS", "WHO", "WORDING", "Who", "Wording"]

WORDING: Final[Mapping[Reason, Wording]] = {**grounds.WORDING, **contents.WORDING}
"""What every reason says. A test holds the two lists together."""

OBLIGATIONS: Final[Mapping[Obligation, tuple[str, str]]] = {
    Obligation.LOG_BEFORE_RELEASE: (
        "se till att utlämnandet är loggat innan något lämnas",
        "see that the disclosure is logged before anything is released",
    ),
    Obligation.LOG_RECIPIENT_NAMED: (
        "logga mottagaren vid namn (GDPR art. 15)",
        "log the recipient by name (GDPR art. 15)",
    ),
    Obligation.INFORM_SUBJECT_ART14: (
        "informera den registrerade (GDPR art. 14)",
        "inform the person (GDPR art. 14)",
    ),
    Obligation.TELL_SUBJECT_OF_QUESTION: (
        "tala om för den enskilde att frågan har ställts",
        "tell the person that the question was asked",
    ),
    Obligation.NOTIFY_DECIDER_2008_206: (
        "underrätta den som beslutar om utbetalningen (lag (2008:206) 3 §)",
        "notify whoever decides on the payment (lag (2008:206) 3 §)",
    ),
    Obligation.RECORD_BALANCING_NOTE: (
        "skriva ned avvägningen (förvaltningslagen 27 och 32 §§)",
        "write down the weighing (förvaltningslagen 27 and 32 §§)",
    ),
    Obligation.FORBEHALL_10_13: (
        "ställa upp förbehåll (OSL 10 kap. 13-14 §§)",
        "set a reservation (OSL 10 kap. 13-14 §§)",
    ),
    Obligation.FOUR_EYES: ("låta två personer besluta tillsammans", "let two people decide together"),
    Obligation.MARK_CHANGED_VALUE: (
        "märka det ändrade värdet med tid och tidigare värde (F (2001:588) 8 n §)",
        "mark the changed value with time and previous value (F (2001:588) 8 n §)",
    ),
    Obligation.KOMMUNICERING_BEFORE_DECISION: (
        "kommunicera uppgifterna med parten före beslut (förvaltningslagen 25 §)",
        "show the data to the party before a decision (förvaltningslagen 25 §)",
    ),
    Obligation.GALLRA_BY: (
        "gallra uppgifterna enligt grundens regel (SFB 114 kap. 15 §)",
        "remove the data by the basis' rule (SFB 114 kap. 15 §)",
    ),
    Obligation.NO_ONWARD: (
        "inte lämna uppgifterna vidare utan ett nytt beslut",
        "hand the data on to nobody without a new decision",
    ),
    Obligation.HIDE_FROM_TRANSPARENCY_UNTIL: (
        "inte visa utlämnandet för den enskilde förrän den angivna dagen (lag (2020:272))",
        "not show the disclosure to the person until the day given (lag (2020:272))",
    ),
    Obligation.NO_AUTOMATED_DECISION: (
        "låta en människa besluta: inget beslut och inget beslutsförslag görs automatiskt (GDPR art. 22)",
        "let a person decide: no decision and no draft of one is automatic (GDPR art. 22)",
    ),
    Obligation.CHILD_BEST_INTEREST_NOTE: (
        "skriva ned bedömningen av barnets bästa (lag (2018:1197))",
        "write down what is best for the child (lag (2018:1197))",
    ),
}
"""What each obligation asks for: follows on "must"."""
