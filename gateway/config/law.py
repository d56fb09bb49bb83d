"""The rows of the register of law, as their files have them: `config/law/`.

    lagrum/*.toml        [[lagrum]]       one version of one paragraph
    bases/*.toml         [[basis]]        why one kind of information may pass between us and one type of partner
    information.toml     [[information]]  kinds of information that no contract carries yet, and their fields
    reviews.toml         [[review]]       which role answers what only a person may decide, and how long that waits
    categories.toml      [words]          what the names of unknown elements give away
    registerutdrag.toml  [[undantag]]     what a registerutdrag holds back, for how long and by what law

What the rows mean together is `privacy`'s: `register` refuses what a lawyer would refuse, `law` compiles them. Here
they only have to be well formed. A row is never edited when the law changes: it ends, and a new row with the same id
begins the day after.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from gateway.message import Category, ContractId

NAME = r"^[A-Za-z0-9][A-Za-z0-9:.-]*$"
"""What ids and versions are made of: they are joined by spaces and `@` in events and in the audit log."""


class Model(BaseModel):
    """A table of the configuration: unknown keys are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


Day = Literal["event", "decision"]
"""Which day picks the version of a row: the first day the data is about, or the day on which we decide."""

Source = Literal["V1", "V2", "V3", "V4", "M"]
"""How the row's text was read. V1: in the consolidated SFS text; V2: in another extraction of the consolidated text;
V3: on a public page of an authority or a court; V4: in the specification itself; M: not read, from memory."""


class Direction(StrEnum):
    """Who starts, and which way the information goes."""

    INBOUND_PUSH = "inbound_push"
    """The partner sends by itself."""
    INBOUND_ANSWER = "inbound_answer"
    """The partner answers our question."""
    PARTNER_QUESTION = "partner_question"
    """The partner asks us: what it may ask, before anything is looked up."""
    FK_QUESTION = "fk_question"
    """We ask."""
    FK_ANSWER = "fk_answer"
    """We answer the partner's question."""
    FK_PUSH = "fk_push"
    """We send by ourselves."""


INWARD = frozenset({Direction.INBOUND_PUSH, Direction.INBOUND_ANSWER})
"""Information comes to us."""
SENT = frozenset({Direction.FK_QUESTION, Direction.FK_PUSH})
"""We begin: with a contract, the dispatcher carries it."""


class SubjectRole(StrEnum):
    """Whose data it is, as SFB 110 kap. 31-33 §§ divide."""

    FORSAKRAD = "forsakrad"
    ANNAN_FYSISK = "annan_fysisk"
    JURIDISK = "juridisk"


class Trigger(StrEnum):
    """What set it off."""

    ON_REQUEST = "on_request"
    OWN_INITIATIVE = "own_initiative"
    CONTINUOUS = "continuous"
    """A standing flow: the same duty, period after period."""


class Channel(StrEnum):
    """How it goes. Direktåtkomst only as lag or förordning says (SFB 114 kap. 14 §)."""

    MESSAGE = "message"
    """One message about one person, one way."""
    REQUEST_REPLY = "request_reply"
    BATCH = "batch"
    DIRECT_ACCESS = "direct_access"


class Obligation(StrEnum):
    """What whoever acts on a PERMIT must do."""

    LOG_BEFORE_RELEASE = "log_before_release"
    LOG_RECIPIENT_NAMED = "log_recipient_named"
    INFORM_SUBJECT_ART14 = "inform_subject_art14"
    TELL_SUBJECT_OF_QUESTION = "tell_subject_of_question"
    NOTIFY_DECIDER_2008_206 = "notify_decider_2008_206"
    RECORD_BALANCING_NOTE = "record_balancing_note"
    FORBEHALL_10_13 = "forbehall_10_13"
    FOUR_EYES = "four_eyes"
    MARK_CHANGED_VALUE = "mark_changed_value"
    KOMMUNICERING_BEFORE_DECISION = "kommunicering_before_decision"
    GALLRA_BY = "gallra_by"
    NO_ONWARD = "no_onward"
    HIDE_FROM_TRANSPARENCY_UNTIL = "hide_from_transparency_until"
    NO_AUTOMATED_DECISION = "no_automated_decision"
    CHILD_BEST_INTEREST_NOTE = "child_best_interest_note"


class Lagrum(Model):
    """One version of one paragraph. Never edited in place: a new version is a new row."""

    id: str = Field(pattern=NAME)
    version: str = Field(pattern=NAME)
    forfattning: str
    kapitel: str | None = None
    paragraf: str
    stycke: int | None = None
    punkt: int | None = None
    giltig_fom: date
    giltig_tom: date | None = None
    day: Day
    """`event` where the law says from which period it applies; `decision` for rules about the disclosure and the
    processing themselves."""
    kind: Literal["obligation", "permission", "access_right", "consent", "international", "purpose", "restriction"]
    test: Literal[
        "none", "synnerliga_skal", "sarskilda_skal", "overvagande_skal", "star_klart", "uppenbart", "men", "omvant_men"
    ] = "none"
    secrecy_break: str = "none"
    """Id of the row that breaks the sender's secrecy (`OSL-10-28`), or `none` where no secrecy binds the sender."""
    secrecy_excluded: tuple[str, ...] = ()
    """Secrecy that this rule does not break, as fields name theirs (`Information.secrecy`): `OSL-25-1`."""
    source: Source
    verified: bool
    """True when wording and days were read; False while they rest on something else. It is not a lawyer's approval
    (that is a basis' `approved_by`), but without it nothing is permitted outside demo and test: a person decides."""

    @property
    def key(self) -> str:
        """What names the row in errors: `lagrum SFB-110-31@2025:937`."""
        return f"lagrum {self.id}@{self.version}"


class Condition(Model):
    """One alternative of a basis: all that it names must hold."""

    benefits: tuple[str, ...] | None = Field(default=None, min_length=1)
    subject_roles: tuple[SubjectRole, ...] | None = Field(default=None, min_length=1)
    suspicion: bool = False
    """True: only with written reasons to suspect a wrong payment."""


class Basis(Model):
    """One version of why one kind of information may pass. Never edited in place: a new version is a new row."""

    id: str = Field(pattern=NAME)
    direction: Direction
    partner_types: tuple[str, ...] = Field(min_length=1)
    contract: ContractId | None = None
    """None where no contract carries it: then `kind` is one of `information.toml`."""
    kind: str
    lagrum: tuple[str, ...]
    """Ids; all are relied on together. Each row's `day` says which day picks the version. What goes out cites the
    first."""
    purposes: tuple[str, ...] = Field(min_length=1)
    """Försäkringskassan's, SFB 114 kap. 8-9 §§."""
    benefits: tuple[str, ...] | None = Field(default=None, min_length=1)
    """The kinds of case, here or at the partner, that it is for; None: the law names none."""
    subject_roles: tuple[SubjectRole, ...] = Field(default=(SubjectRole.FORSAKRAD,), min_length=1)
    any_of: tuple[Condition, ...] = ()
    """At least one must hold; none given, none is asked for."""
    triggers: tuple[Trigger, ...] = Field(min_length=1)
    channels: tuple[Channel, ...] = Field(min_length=1)
    fields: tuple[str, ...] = Field(min_length=1)
    required: tuple[str, ...] = ()
    """Fields without which it does not go: lag (2008:206) 4 § wants the circumstances stated."""
    forbidden: tuple[Category, ...] = ()
    """Categories that must not come, or be asked for, this way at all."""
    referred: tuple[Category, ...] = ()
    """Categories that only a person may release: free text, for one."""
    cited: tuple[str, ...] | None = Field(default=None, min_length=1)
    """If given, what the partner itself cites must be among these."""
    purpose_text: str | None = None
    """The purpose in words, as the partner is told it (`SyfteMedFraga`). For what we send and ask by a contract."""
    longest_period: int | None = Field(default=None, ge=1)
    """Most days that a question may be about; it must always lie within the case's own period (JO 2031-2015)."""
    consent: bool = False
    """True: only with the person's consent that covers the recipient (SFB 30 kap. 10 §, F 2024:14 5 §)."""
    suspicion: bool = False
    """True: only with written reasons to suspect a wrong payment, whatever `any_of` says."""
    standing_decision: str | None = None
    """Reference to the documented decision that answers a balancing test; without one such a basis refers."""
    obligations: tuple[Obligation, ...] = ()
    """Beside those that follow by themselves (`privacy.obligations`)."""
    retention: str = Field(min_length=1)
    """The gallring rule that follows the data: `SFB 114:15`."""
    no_onward: bool = True
    source: Source
    verified: bool
    """As for a paragraph: that this row says what its paragraphs say."""
    author: str
    approved_by: tuple[str, ...]
    day: Day = "decision"
    """Which day picks the version: all rows of one id agree."""
    giltig_fom: date
    giltig_tom: date | None = None

    @property
    def key(self) -> str:
        """What names the row in errors, with the day this version begins: `basis IN-BANK-01@2025-12-01`."""
        return f"basis {self.id}@{self.giltig_fom}"

    @property
    def inward(self) -> bool:
        """Whether information comes to us."""
        return self.direction in INWARD

    @property
    def carried(self) -> bool:
        """Whether a contract of ours carries it: in as a message, or out by the dispatcher."""
        return self.contract is not None


class InformationField(Model):
    """One field of a kind of information that no contract carries."""

    category: Category
    locating: bool = False
    """True where it tells where a person may be found (OSL 21 kap. 3 §)."""
    secrecy: str | None = None
    """The secrecy that covers it where it is kept, where a rule may exclude that: `OSL-25-1`, `OSL-24-8`."""


class Information(Model):
    """A kind of information that no contract carries yet: what its fields are called, and what they are."""

    kind: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    fields: Mapping[str, InformationField] = Field(min_length=1)

    @property
    def key(self) -> str:
        """What names the row in errors: `information kontouppgifter`."""
        return f"information {self.kind}"


class Review(Model):
    """Who answers one question that only a person may, and for how long it waits."""

    reason: str = Field(pattern=r"^[A-Z][A-Z0-9_]*$")
    """A reason code that refers (`FREE_TEXT`), `PERSON_PROTECTED`, `QUARANTINE`, `MESSAGE_RELEASED`
    or `REVIEW_EXPIRED`."""
    role: str = Field(pattern=r"^[a-z][a-z0-9-]{0,63}$")
    """Who may answer. Where several reasons meet, the row that stands first in the file names the role."""
    four_eyes: bool
    """True: a yes takes two people. What is quarantined always does."""
    balancing: bool = False
    """True: a yes names the written balancing of interests (`record_balancing_note`)."""
    days: int = Field(ge=1, le=365)
    """For how long it waits; then it is a no. Where several reasons meet, the shortest."""
    lagrum: tuple[str, ...] = Field(min_length=1)
    """Ids of the paragraphs that leave it to a person, or say who that is."""
    question_sv: str = Field(min_length=1)
    question_en: str = Field(min_length=1)

    @property
    def key(self) -> str:
        """What names the row in errors: `review FREE_TEXT`."""
        return f"review {self.reason}"


class Exemption(Model):
    """What a registerutdrag leaves out for a time: never without a paragraph, never for good."""

    id: str = Field(pattern=NAME)
    bases: tuple[str, ...] = Field(min_length=1)
    """Ids of the bases whose disclosures it holds back."""
    months: int = Field(ge=1, le=120)
    """For how long, from the disclosure. Then it is shown."""
    lagrum: tuple[str, ...] = Field(min_length=1)
    """Ids of the paragraphs by which the person may not know yet."""
    shown: str = Field(min_length=1)
    """What the person is told, in Swedish, once it is shown."""
    verified: bool
    """False while the period rests on no decision that was read: production gives no extracts by such a row."""
    author: str
    approved_by: tuple[str, ...]
    giltig_fom: date
    giltig_tom: date | None = None
    """Which disclosures, by their day: both ends count."""

    @property
    def key(self) -> str:
        """What names the row in errors: `undantag UTDRAG-UBM@2024-02-15`."""
        return f"undantag {self.id}@{self.giltig_fom}"


class Extracts(Model):
    """What a registerutdrag tells beside the disclosures, and what it holds back (`registerutdrag.toml`)."""

    refused: bool = False
    """Whether it tells how many times the law said no."""
    exemptions: tuple[Exemption, ...] = ()
