"""What it holds, and what may be done with it: gates 7 to 15. Whom it may expose, what it is, where it comes from."""

from __future__ import annotations

from typing import Final

from gateway.config.law import INWARD, Direction
from gateway.message import Category, Protection
from gateway.privacy import compatibility, purposes
from gateway.privacy.parties import PartnerType
from gateway.privacy.reasons import Reason
from gateway.privacy.request import Request, Selection
from gateway.privacy.rule import SPECIAL, Rule
from gateway.privacy.setting import DENY, REFER, Finding, Setting, fields, meant, passing, says

BULK: Final = 100
"""Others that one person may ask about within an hour: one every 36 seconds. Nobody handles cases at that pace, so it
is a search in disguise (SFB 114 kap. 12 and 13 §§; JO 370-1999). Not the law's own number."""
_SHORTEST: Final = 10
"""Digits of a number that somebody may be known by: with its century or without."""
_THEIRS: Final = frozenset({Direction.PARTNER_QUESTION, Direction.FK_ANSWER})
"""Directions in which whoever is at the partner asks, or is answered."""
_CARE: Final = frozenset({PartnerType.REGION, PartnerType.VARDGIVARE})
_CARE_SECRECY: Final = "OSL-25-1"
_PROPOSAL: Final = "decisionproposal"
_HANDLING: Final = frozenset({"handling", "follow_up", "control"})
"""SFB 114 kap. 12 § second paragraph: what a selection by health may be used for."""


# 7. Protected identity. What locates is withheld by `divided`.


def protection_known(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """OSL 21 kap. 3 and 3 a §§, 22 kap. 1 §: what is about somebody nobody knows of waits for a person.

    On the ways themselves nothing that locates leaves and a person reads free text; a question to the folkbokföring is
    how the unknown becomes known. What is laid before us is acted on elsewhere, so there it waits in every direction.
    """
    return None if request.protection in _KNOWN else (REFER, Reason.PROTECTION_UNKNOWN)


_KNOWN: Final = frozenset(Protection) - {Protection.UNKNOWN}


def required_field_withheld(request: Request, rule: Rule, setting: Setting) -> Finding:
    """OSL 21 kap. 3 §: what cannot go without a field that locates is a person's to send, or not."""
    if setting.hides is None:
        return None
    hidden = rule.required & rule.locating & rule.fields & fields(request)
    return (REFER, setting.hides) if hidden else None


def free_text_of_the_protected(request: Request, rule: Rule, setting: Setting) -> Finding:
    """OSL 21 kap. 3 §: free text and attachments may tell where somebody is, whatever has been decided for the flow."""
    if rule.free_text.isdisjoint(fields(request)) or request.protection is Protection.NONE:
        return None
    return None if rule.free_text.isdisjoint(passing(request, rule, setting)) else (REFER, Reason.FREE_TEXT)


# 8. Categories.


def forbidden(request: Request, rule: Rule, setting: Setting) -> Finding:
    """SFB 110 kap. 34 § (CSN: nothing of art. 9.1), lag (1991:1047) 11 §: what may not come, or be asked for, this way.

    On the way in it quarantines, whatever else fails: to receive is already to process (GDPR art. 4.2).
    """
    came = not rule.forbidden_fields.isdisjoint(meant(request)) or not rule.forbidden.isdisjoint(request.given.values())
    unknown = fields(request) - rule.declared  # a field that the kind does not have gives away by its name what it is
    if unknown:
        came = came or not rule.forbidden.isdisjoint(setting.words.categories(unknown))
    return (DENY, Reason.FORBIDDEN_CATEGORY) if came else None


def sensitive_for_the_purpose(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """SFB 114 kap. 11 §: health and other art. 9 data, where nothing says what they were processed for before.

    Where something does, gate 9 asks of each piece of data by the same rows.
    """
    asked = fields(request) & rule.fields
    if request.provenance or rule.special_fields.isdisjoint(asked):
        return None
    purpose = purposes.Purpose(request.purpose or "")
    use = compatibility.Use(
        collected_for=purpose,
        ever=frozenset({purpose}),
        purpose=purpose,
        benefit=request.benefit,
        health=not rule.health_fields.isdisjoint(asked),
        sensitive=not rule.sensitive_fields.isdisjoint(asked),
        versions=(rule,),
    )
    return compatibility.sensitive(use) or compatibility.health(use)


def secrecy(request: Request, rule: Rule, setting: Setting) -> Finding:
    """OSL 10 kap. 15 a, 27 and 28 §§, lag (2024:307) 2 §: a rule breaks the secrecy that it does not exclude.

    What a care provider has of somebody's health is under OSL 25 kap. 1 §, whatever the field is called.
    """
    if setting.in_force is None or not setting.in_force.excluded or not rule.secrecy:
        return None
    excluded = setting.in_force.excluded
    asked = [name for name in fields(request) if _asked(name, request, rule)]
    covered = any(rule.secrecy.get(name) in excluded for name in asked)
    if _from_care(request) and _CARE_SECRECY in excluded:
        covered = covered or not rule.health_fields.isdisjoint(asked)
    return (DENY, Reason.SECRECY_NOT_BROKEN) if covered else None


def _from_care(request: Request) -> bool:
    """Whether a care provider gives the information."""
    given = request.direction in INWARD or request.direction is Direction.FK_QUESTION
    return given and request.partner is not None and request.partner.type in _CARE


def _asked(name: str, request: Request, rule: Rule) -> bool:
    """Whether a field is meant to pass: what others get too, and this basis does not name, is taken away."""
    return name not in request.shared or name in rule.fields


def free_text(request: Request, rule: Rule, setting: Setting) -> Finding:
    """GDPR art. 5.1 c: free text can hold anything; a person reads it first."""
    if not rule.referred:
        return None
    return (REFER, Reason.FREE_TEXT) if Category.FRITEXT in _left(request, rule, setting) else None


def left_to_a_person(request: Request, rule: Rule, setting: Setting) -> Finding:
    """Other categories that the basis leaves to a person."""
    if not rule.referred:
        return None
    return (REFER, Reason.REFERRED_CATEGORY) if _left(request, rule, setting) - {Category.FRITEXT} else None


def _left(request: Request, rule: Rule, setting: Setting) -> frozenset[Category]:
    """Categories that a person reads first: of all that has come, or of what would go."""
    if rule.referred.keys().isdisjoint(fields(request)):
        return frozenset()
    names = fields(request) if request.direction in INWARD else passing(request, rule, setting)
    return frozenset(rule.referred[name] for name in names if name in rule.referred)


# 9. What the data was collected for.


def compatible(request: Request, rule: Rule, setting: Setting) -> Finding:
    """SFB 114 kap. 8-11 §§, lag (2018:218) 4 kap., lag (2024:1300) 1 §: each piece of data by its own origin."""
    if not request.provenance:
        return None
    asked = fields(request) & rule.fields
    health = not rule.health_fields.isdisjoint(asked)
    sensitive = not rule.sensitive_fields.isdisjoint(asked)
    worst: Finding = None
    for origin in request.provenance:
        found = compatibility.judge(
            origin, request.purpose or "", request.benefit, health=health, sensitive=sensitive, rules=setting.rules
        )
        if found is not None and found[0] is DENY:
            return found
        worst = worst or found
    return worst


def still_consented(request: Request, _rule: Rule, setting: Setting) -> Finding:
    """SFB 30 kap. 10 §, F (2024:14) 5 §, GDPR art. 7.3: what came by consent is used as long as the consent holds."""
    for origin in request.provenance or ():
        if any(version.consent for version in setting.rules.get(origin.basis, ())):
            if request.consent is None:
                return DENY, Reason.CONSENT_MISSING
            if request.consent.until < setting.today:
                return DENY, Reason.CONSENT_EXPIRED
    return None


def not_to_be_gone(request: Request, _rule: Rule, setting: Setting) -> Finding:
    """SFB 114 kap. 15 §: what should be gone is not used, though it may still be there."""
    if not request.provenance:
        return None
    late = any(origin.gallras is not None and origin.gallras <= setting.today for origin in request.provenance)
    return (DENY, Reason.PAST_GALLRING) if late else None


# 10. Fields: what is asked for, and what the basis names of it.


def fields_known(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """GDPR art. 5.1 c; 987/2009 art. 4 (SED): a field that the kind of information does not have may be anything."""
    return None if rule.declared.issuperset(fields(request)) else (DENY, Reason.FIELD_UNKNOWN)


def fields_required(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """Lag (2008:206) 4 §: the circumstances are stated; and what the contract cannot do without is there."""
    return None if rule.required <= fields(request) - request.silent else (DENY, Reason.FIELD_REQUIRED)


def something_left(request: Request, rule: Rule, setting: Setting) -> Finding:
    """GDPR art. 5.1 c, F (2024:1350) 18 §, F (2008:975) 3 §: closed lists. Surplus is taken away, and that was all."""
    return None if passing(request, rule, setting) else (DENY, Reason.NOTHING_LEFT)


# 11. The period. Never cut: whoever asks must know what was asked.


def period_named(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """JO 2031-2015: where the basis limits the time, a time is named."""
    return (DENY, Reason.PERIOD_MISSING) if request.period is None and rule.longest_period is not None else None


def period_in_case(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """JO 2031-2015: what is asked about lies within what the case is about."""
    period = request.period
    if period is None:
        return None
    covered = request.proof is not None and period.first <= period.last and period.within(request.proof.period)
    return None if covered else (DENY, Reason.PERIOD_OUTSIDE_CASE)


def period_short_enough(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """JO 2031-2015: and is no longer than the basis allows."""
    if request.period is None or rule.longest_period is None:
        return None
    days = (request.period.last - request.period.first).days + 1
    return (DENY, Reason.PERIOD_TOO_LONG) if days > rule.longest_period else None


def period_in_one_text(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """Lag (2025:937), RF 8 kap.: no day is asked about by a text that had ended by then, whatever event is named."""
    if request.period is None or not rule.by_event_day:
        return None
    return (DENY, Reason.PERIOD_AFTER_BASIS) if request.period.last > rule.valid_until else None


# 12. Selections.


def picked_by_sensitive(request: Request, rule: Rule, setting: Setting) -> Finding:
    """SFB 114 kap. 12 § first paragraph: nobody is picked by sensitive data; no paragraph allows it by crime either."""
    if request.selection is None:
        return None
    keys, unknown = _keys(request.selection, rule, setting)
    if not keys.isdisjoint({Category.KANSLIG, Category.BROTT}):
        return DENY, Reason.SELECTION_SENSITIVE
    return (DENY, Reason.SELECTION_KEY_UNKNOWN) if unknown else None


def picked_by_health(request: Request, rule: Rule, setting: Setting) -> Finding:
    """SFB 114 kap. 12 § second paragraph: for 8 §, if it concerns a benefit or is to handle, follow up, control."""
    if request.selection is None:
        return None
    keys, _ = _keys(request.selection, rule, setting)
    if Category.HALSA not in keys:
        return None
    for_it = request.selection.concerns_benefit or request.selection.use in _HANDLING
    allowed = request.purpose in purposes.COLLECTING and for_it
    return None if allowed else (DENY, Reason.SELECTION_HEALTH)


def _keys(selection: Selection, rule: Rule, setting: Setting) -> tuple[frozenset[Category], bool]:
    """Categories that people are picked by, and whether a key is neither a field, a category nor a telling name."""
    if selection.subjects == 1:
        return frozenset(), False
    found: set[Category] = set()
    unknown = False
    for key in selection.by:
        of_key = {Category(key)} if key in _CATEGORIES else set(setting.words.categories([key]))
        of_key |= {Category.HALSA} if key in rule.health_fields else set()
        of_key |= {Category.KANSLIG} if key in rule.sensitive_fields else set()
        if key in rule.special_fields and not of_key & SPECIAL:
            of_key.add(Category.BROTT)
        found |= of_key
        unknown = unknown or not (of_key or key in rule.declared)
    return frozenset(found), unknown


_CATEGORIES: Final = frozenset(Category)


def one_by_one(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """SFB 114 kap. 12-13 §§, JO 370-1999: many questions about one person each are a selection in disguise."""
    person = request.actor is not None and not request.actor.automated
    return (REFER, Reason.BULK_ONE_BY_ONE) if person and request.recent_subjects > BULK else None


# 13. What weighs interests.


def weighed(_request: Request, _rule: Rule, setting: Setting) -> Finding:
    """OSL 10 kap. 15 a and 27 §§, 8 kap. 3 §, SFB 110 kap. 31 §: without a standing decision a person weighs."""
    is_open = setting.in_force is None or setting.in_force.open_test
    return (REFER, Reason.BALANCING_TEST_OPEN) if is_open else None


# 14. Who acts.


def own_case(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """SFB 114 kap. 13 §, förvaltningslagen (2017:900) 16 § 1: nobody looks up themself."""
    actor = request.actor
    if actor is None or actor.automated or _to_the_registered(request):
        return None
    return (DENY, Reason.OWN_CASE) if _is_subject(request) or actor.relation == "own" else None


def own_data(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """F (2024:14) 6 §: the registered has access to the own data, and to nobody else's."""
    if not _to_the_registered(request) or _is_subject(request):
        return None
    return DENY, Reason.NOT_OWN_DATA


def _to_the_registered(request: Request) -> bool:
    theirs = request.direction in _THEIRS
    return theirs and request.partner is not None and request.partner.type == PartnerType.ENSKILD


def _is_subject(request: Request) -> bool:
    """Whether the actor is known by the subject's own number, with its century or without."""
    actor = request.actor
    if actor is None or actor.automated or len(actor.id) < _SHORTEST:
        return False
    number = "".join(filter(str.isdecimal, actor.id))
    return len(number) >= _SHORTEST and (request.subject or "").endswith(number)


def bound_to_subject(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """Förvaltningslagen (2017:900) 16 § 2-5: a relative's, a housemate's, a colleague's case is somebody else's."""
    actor = request.actor
    bound = actor is not None and not actor.automated and says(actor.relation)
    return (REFER, Reason.CONFLICT_OF_INTEREST) if bound else None


# 15. What whoever acts on it must keep. The obligations themselves are the rule's.


def no_machine_decides(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """GDPR art. 22, C-634/21: no machine drafts a decision about somebody."""
    if request.use is None:
        return None
    use = "".join(filter(str.isalnum, request.use.casefold()))
    return (DENY, Reason.DECISION_PROPOSAL) if use == _PROPOSAL else None
