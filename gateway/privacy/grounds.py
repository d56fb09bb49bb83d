"""On what ground it may pass: gates 0 to 6. Who asks, why, on what law, about whom, in which case."""

from __future__ import annotations

from typing import Final

from gateway.config.law import Condition, Direction, SubjectRole
from gateway.privacy import citation, purposes
from gateway.privacy.reasons import Reason
from gateway.privacy.request import Request
from gateway.privacy.rule import Rule
from gateway.privacy.setting import DENY, NOTHING, REFER, Finding, Setting, says

_TEST_NUMBERS: Final = range(980, 1000)
"""Födelsenummer that stand for tests, for whoever would be born by then."""
_NOBODY_LIVES: Final = "1911"
"""Before this year the series holds."""
_COMPANY: Final = 10
"""Digits of an organisation number; a person's number has twelve."""
_JURIDISK: Final = SubjectRole.JURIDISK
_THEIRS: Final = (Direction.PARTNER_QUESTION, Direction.FK_ANSWER)
"""Directions where the case is the partner's; else it is one of Försäkringskassan's."""


# 0. The log.


def audited(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """SFB 114 kap. 13 §: access is followed up, so nothing passes that the log has not taken beforehand."""
    return None if request.audit_ready is True else (DENY, Reason.AUDIT_UNAVAILABLE)


# 1. Who the partner is.


def proved(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """GDPR art. 32, OSL 8 kap. 1 §: certificate and signature prove the very organisation that the request names."""
    if request.partner is None or not request.partner.proved:
        return DENY, Reason.PARTNER_UNPROVEN
    return None if request.partner.proved == request.partner.organisation else (DENY, Reason.PARTNER_MISMATCH)


# 2. Where the data is to be used.


def identity_of_place(request: Request, _rule: Rule, setting: Setting) -> Finding:
    """GDPR art. 5.1 b and 6: real people are not in tests, which would need a basis and an assessment of their own."""
    if request.environment != "test":
        return None
    subject = request.subject or ""
    company = request.subject_role is _JURIDISK and len(subject) == _COMPANY
    return None if company or official(subject, setting.test_numbers) else (DENY, Reason.PRODUCTION_IDENTITY_IN_TEST)


def official(number: str, listed: frozenset[str]) -> bool:
    """Say whether twelve digits are certainly one of Skatteverket's test numbers, and so nobody's.

    Certain is what the published lists have ("Testpersonnummer" and "Testsamordningsnummer", open data of
    Skatteverket's, www.dataportal.se; `config/law/testnummer.toml`). Most there have födelsenummer 238 or 239, which
    living people have too, so of these only the listed ones count. Födelsenummer 980 to 999 count as a series for years
    of birth to 1910, for which the list has one on every day. Not later: since 1990 a födelsenummer is drawn from all
    there are (SKV 704), so that somebody may have one of these.
    """
    if number in listed:
        return True
    twelve = len(number) == 12 and number.isdecimal()  # noqa: PLR2004
    return twelve and number[:4] < _NOBODY_LIVES and int(number[8:11]) in _TEST_NUMBERS


# 3. The purpose.


def of_the_closed_list(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """SFB 114 kap. 7-10 §§: there are no other purposes, and none in free text."""
    return None if request.purpose in _PURPOSES else (DENY, Reason.PURPOSE_UNKNOWN)


_PURPOSES: Final = frozenset(purposes.Purpose)


def for_the_direction(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """SFB 114 kap. 8 § collects, 9 § hands out; 10 § is never applied without a person."""
    allowed = purposes.BY_DIRECTION[request.direction] if request.direction is not None else frozenset()
    return None if request.purpose in allowed else (DENY, Reason.PURPOSE_NOT_FOR_DIRECTION)


def for_the_asker(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """SFB 114 kap. 13 §: a system of ours does what it is there for."""
    mandate = None if request.actor is None else request.actor.mandate
    return None if mandate is not None and request.purpose in mandate else (DENY, Reason.PURPOSE_NOT_FOR_ASKER)


# 4. The basis and its paragraphs.


def there_is_a_basis(_request: Request, rule: Rule, _setting: Setting) -> Finding:
    """GDPR art. 5.2 and 6: the basis is named, and is in the register. Its two approvals were held at start."""
    return (DENY, Reason.BASIS_UNKNOWN) if rule is NOTHING else None


def about_what_is_carried(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """GDPR art. 5.1 b: the basis is about this contract and this kind of information."""
    carried = (rule.contract, rule.kind) == (request.contract, request.kind)
    return None if carried else (DENY, Reason.BASIS_OTHER_CONTENT)


def about_this_direction(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """SFB 114 kap. 8-9 §§, OSL 10 kap. 2 §: to collect, to hand out and to ask are different things."""
    return None if rule.direction is request.direction else (DENY, Reason.BASIS_OTHER_DIRECTION)


def valid(request: Request, rule: Rule, setting: Setting) -> Finding:
    """The basis holds on its day: that of the event where the row says so, else that of the decision.

    It has begun when we decide, whatever its day: nothing rests on a law that is still to come (RF 8 kap.).
    """
    day = request.event if rule.by_event_day and request.event is not None else setting.today
    if min(day, setting.today) < rule.valid_from:
        return DENY, Reason.BASIS_NOT_YET_VALID
    return (DENY, Reason.BASIS_EXPIRED) if day > rule.valid_until else None


def for_the_basis(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """SFB 114 kap. 8-9 §§: the basis allows this purpose."""
    return None if request.purpose in rule.purposes else (DENY, Reason.PURPOSE_NOT_IN_BASIS)


def quoted(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """What the message itself writes of law and purpose is there, and is what the basis accepts."""
    if rule.cited is None:
        return None
    accepted = bool(request.quoted) and all(citation.normal(text) in rule.cited for text in request.quoted)
    return None if accepted else (DENY, Reason.CITED_BASIS_MISMATCH)


def in_force(_request: Request, _rule: Rule, setting: Setting) -> Finding:
    """RF 8 kap.: every paragraph has a version in force on the day that is its own; transitional rules say which."""
    return (DENY, Reason.LAGRUM_NOT_IN_FORCE) if setting.in_force is None else None


def cited(request: Request, rule: Rule, setting: Setting) -> Finding:
    """The paragraph that the request rests on is the basis' own, in the version that is in force."""
    if request.lagrum is None or request.lagrum.id not in rule.lagrum:
        return DENY, Reason.LAGRUM_NOT_IN_BASIS
    named = f"{request.lagrum.id}@{request.lagrum.version}"
    holds = setting.in_force is not None and named in setting.in_force.versions
    return None if holds else (DENY, Reason.LAGRUM_NOT_IN_FORCE)


def read_by_somebody(_request: Request, rule: Rule, setting: Setting) -> Finding:
    """Nothing rests on a text that nobody has held against the law: outside demo and test a person does so first."""
    read = rule.verified and setting.in_force is not None and not setting.in_force.unread
    return (REFER, Reason.LAW_UNVERIFIED) if setting.strict and not read else None


# 5. Whom, what and how the basis is about.


def partner_of_type(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """Who gives and who gets is what the paragraphs name: SFB 110 kap. 31-34 a §§, F (1980:995) 2-3 §§."""
    known = request.partner is not None and request.partner.type in rule.partner_types
    return None if known else (DENY, Reason.PARTNER_TYPE_MISMATCH)


def subject_in_role(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """SFB 110 kap. 31-31 d §§: about the insured, another person, or only about a legal person.

    The number says which: somebody who trades in the own name is a natural person, and no company is insured.
    """
    company = len(request.subject or "") == _COMPANY
    fits = request.subject_role in rule.subject_roles and company is (request.subject_role is _JURIDISK)
    return None if fits else (DENY, Reason.SUBJECT_ROLE_NOT_IN_BASIS)


def benefit_of_the_closed_list(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """SFB 114 kap. 2 §: a case of ours is on one of our benefits. What cases a partner has is the partner's."""
    known = says(request.benefit) if request.direction in _THEIRS else request.benefit in _BENEFITS
    return None if known else (DENY, Reason.BENEFIT_UNKNOWN)


_BENEFITS: Final = frozenset(purposes.Benefit)


def benefit_of_the_basis(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """JO 2031-2015; SFB 110 kap. 33 §, F (2008:975) 3 §: for cases on these benefits and on no others."""
    named = rule.benefits is None or request.benefit in rule.benefits
    return None if named else (DENY, Reason.BENEFIT_NOT_IN_BASIS)


def set_off_as_allowed(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """On request, on own initiative or continuously: as the paragraph says ("på begäran", "på eget initiativ")."""
    return None if request.trigger in rule.triggers else (DENY, Reason.TRIGGER_NOT_IN_BASIS)


def by_the_channel(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """SFB 114 kap. 14 §: direktåtkomst only as lag or förordning says; HFD 2015:61."""
    return None if request.channel in rule.channels else (DENY, Reason.CHANNEL_NOT_IN_BASIS)


def conditions(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """SFB 110 kap. 31 a, 31 b and 33 §§: one of the alternatives is met, in all that it asks for."""
    met = not rule.any_of or any(_met(condition, request) for condition in rule.any_of)
    return None if met else (DENY, Reason.CONDITIONS_NOT_MET)


def _met(condition: Condition, request: Request) -> bool:
    return (
        (condition.benefits is None or request.benefit in condition.benefits)
        and (condition.subject_roles is None or request.subject_role in condition.subject_roles)
        and (not condition.suspicion or says(request.suspicion))
    )


def consented(request: Request, rule: Rule, setting: Setting) -> Finding:
    """SFB 30 kap. 10 §, F (2024:14) 5 §, OSL 12 kap. 2 §: consent that covers this partner, and has not ended."""
    if not rule.consent:
        return None
    consent = request.consent
    if consent is None:
        return DENY, Reason.CONSENT_MISSING
    if request.partner is None or request.partner.type not in consent.scope:
        return DENY, Reason.CONSENT_OTHER_RECIPIENT
    return (DENY, Reason.CONSENT_EXPIRED) if consent.until < setting.today else None


def suspected(request: Request, rule: Rule, _setting: Setting) -> Finding:
    """Lag (2008:206) 2 §, SFB 110 kap. 31 a §: written reasons to assume an error, where the basis wants them."""
    return (DENY, Reason.SUSPICION_MISSING) if rule.suspicion and not says(request.suspicion) else None


# 6. The case. That it covers the period asked about is gate 11.


def case_named(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """HFD 2015:61, JO 2031-2015: without a case there is no need."""
    return None if says(request.case) else (DENY, Reason.CASE_MISSING)


def case_open(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """HFD 2015:61: the case is open with whoever needs the information."""
    return None if request.proof is not None and request.proof.open else (DENY, Reason.NO_OPEN_CASE)


def case_same(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """HFD 2015:61: the proof is of the very case that is named."""
    same = request.proof is not None and request.proof.case == request.case
    return None if same else (DENY, Reason.CASE_MISMATCH)


def case_about_subject(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """HFD 2015:61: only those who are in a case there can be reached."""
    same = request.proof is not None and request.proof.subject == request.subject
    return None if same else (DENY, Reason.CASE_OTHER_SUBJECT)


def case_in_capacity(request: Request, _rule: Rule, _setting: Setting) -> Finding:
    """SFB 110 kap. 31-31 d §§: in the same capacity. The role itself, or a word of the requester's own for it."""
    capacity = "" if request.proof is None else request.proof.capacity.strip().casefold()
    role = _SPELT.get(capacity.replace("-", " ").replace("_", " "))
    same = role == request.subject_role if role is not None else says(capacity)
    return None if same else (DENY, Reason.CASE_OTHER_CAPACITY)


_SPELT: Final = {
    **{role.replace("_", " "): role for role in SubjectRole},
    "försäkrad": SubjectRole.FORSAKRAD,
    "annan fysisk person": SubjectRole.ANNAN_FYSISK,
    "juridisk person": SubjectRole.JURIDISK,
}
"""The roles, as people spell them: none of these is a word of the requester's own."""


def proof_of_this_request(request: Request, _rule: Rule, setting: Setting) -> Finding:
    """HFD 2015:61: each request by itself. A proof that says what it was made for carries nothing else."""
    proof, partner = request.proof, request.partner
    if proof is None:
        return None
    differs = proof.request is not None and proof.request != setting.fingerprint
    differs = differs or (proof.purpose is not None and proof.purpose != request.purpose)
    differs = differs or (
        proof.organisation is not None and (partner is None or proof.organisation != partner.organisation)
    )
    return (DENY, Reason.PROOF_OTHER_REQUEST) if differs else None


def proof_bound(request: Request, _rule: Rule, setting: Setting) -> Finding:
    """HFD 2015:61, SFB 114 kap. 13 §: in earnest a machine's proof says which request it is for; else a person asks.

    Case, subject, capacity and period bind every proof. Beyond that an official answers for what a proof is used for; a
    process may use one it holds for anything, so its proof has the request's fingerprint, or purpose and partner. In a
    test nobody is exposed.
    """
    proof, actor = request.proof, request.actor
    if proof is None or not setting.strict or actor is None or not actor.automated:
        return None
    named = proof.request is not None or (proof.purpose is not None and proof.organisation is not None)
    return None if named else (REFER, Reason.PROOF_NOT_BOUND)
