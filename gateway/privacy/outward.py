"""What a register must keep for what goes out: bases for what we ask, answer and tell, and the systems that may.

Our own questions and messages are disclosures, so their bases are held to what `register` holds all bases to, and more:

1. only what goes out has a purpose in words, and what a contract carries has one; its direction and its kind are what
   its contract does;
2. what the contract cannot do without is among its fields;
3. an employer gets nothing about health, nor anything else of a special category (lag (1991:1047) 11 §, OSL 28 kap.
   1 §), and free text, in which it could stand, never without a person; nobody is told of anybody's protected identity;
4. what a question cites can be cited, and some basis for its answer accepts it: else we would refuse every answer;
5. an asker's purposes, contracts and queue exist, and its queue may serve whatever its questions are answered with:
   labels stick to an answer as to anything else.
"""

from __future__ import annotations

from gateway.config import Asker
from gateway.config.law import SENT, Basis, Direction
from gateway.dispatch import Interaction
from gateway.errors import ConfigError
from gateway.message import Category, ContractId
from gateway.privacy import citation, labels, protected, purposes
from gateway.privacy.parties import PartnerType
from gateway.privacy.rows import Agreement, Rows

_EMPLOYERS = frozenset({PartnerType.ARBETSGIVARE, PartnerType.UPPDRAGSGIVARE})
"""Types of partner that may have nothing of a special category."""
_WITHHELD_FROM_EMPLOYERS = frozenset({Category.HALSA, Category.KANSLIG, Category.BROTT})
_DIRECTIONS = {Interaction.ASK: Direction.FK_QUESTION, Interaction.SEND: Direction.FK_PUSH}


def check(rows: Rows) -> None:
    """Check every basis for what goes out, and every asker. Raises ConfigError.

    What `register.check` checks must have been checked.
    """
    for basis in rows.configuration.bases:
        if basis.inward:
            _check_inward(basis, rows)
            continue
        _check_told(basis, rows)
        if basis.contract is not None and basis.direction in SENT:
            rows.known(basis, "contract", [basis.contract], rows.agreements)
            _check_contract(basis, rows.agreements[basis.contract], rows)
    for asker in rows.configuration.askers.values():
        _check_asker(asker, rows)


def _check_inward(basis: Basis, rows: Rows) -> None:
    if basis.purpose_text is not None:
        raise rows.wrong(basis, "purpose_text", "is what we tell a partner, and here it tells us", "take it away")


def _check_told(basis: Basis, rows: Rows) -> None:
    """Check what somebody else is to know (3), and that it is we who cite (4)."""
    fields = rows.fields(basis)
    if _EMPLOYERS.intersection(basis.partner_types):
        lacking = _WITHHELD_FROM_EMPLOYERS.difference(basis.forbidden)
        if lacking:
            raise rows.wrong(basis, "forbidden", "an employer may not have it", f"write {', '.join(sorted(lacking))}")
        if Category.FRITEXT not in basis.referred and any(
            fields[name].category is Category.FRITEXT for name in basis.fields
        ):
            raise rows.wrong(
                basis, "referred", "what is written freely to an employer is read by a person", "write fritext there"
            )
    for name in basis.fields:
        if protected.tells(name):
            raise rows.wrong(basis, "fields", f"{name} tells of protected identity", "take it away")
    if basis.cited is not None and basis.direction is not Direction.PARTNER_QUESTION:
        raise rows.wrong(basis, "cited", "is about what a partner cites, and here we do", "take it away")


def _check_contract(basis: Basis, agreed: Agreement, rows: Rows) -> None:
    rows.known(basis, "direction", [basis.direction], {_DIRECTIONS[agreed.interaction]})
    rows.known(basis, "kind", [basis.kind], {agreed.kind})
    missing = agreed.mandatory.difference(basis.fields)
    if missing:
        raise rows.wrong(
            basis, "fields", "without them the contract has no message", f"write {', '.join(sorted(missing))} too"
        )
    if basis.purpose_text is None or not basis.purpose_text.strip():
        raise rows.wrong(basis, "purpose_text", "is missing", "write the purpose in words, as the partner is told it")
    for row in rows.lagrum[basis.lagrum[0]]:
        if citation.normal(citation.written(row)) != citation.names(row):
            raise rows.wrong(
                row,
                "forfattning",
                f"basis {basis.id} cites it, and it has no SFS number",
                "write it: lagen (2024:1300) …",
            )
    if agreed.answer is not None:
        _check_answer(basis, basis.purpose_text, agreed.answer, rows)


def _check_answer(basis: Basis, purpose_text: str, answer: ContractId, rows: Rows) -> None:
    answering = rows.inward.get(answer, ())
    if not answering:
        raise rows.wrong(
            basis, "contract", f"no basis lets in what it is answered with, {answer}", "write one, or do not ask"
        )
    for row in rows.lagrum[basis.lagrum[0]]:
        told = {citation.normal(purpose_text), citation.normal(citation.written(row))}
        if not any(one.cited is None or told.issubset(map(citation.normal, one.cited)) for one in answering):
            accepted = sorted({text for one in answering for text in one.cited or ()})
            raise rows.wrong(
                basis,
                "purpose_text",
                "no basis for the answer accepts it with the paragraph",
                f"accepted: {', '.join(accepted)}",
            )


def _check_asker(asker: Asker, rows: Rows) -> None:
    queues = {queue.name: queue for queue in rows.configuration.queues}
    for key, values, accepted in (
        ("purposes", asker.purposes, purposes.ASKING | purposes.TELLING),
        ("contracts", asker.contracts, frozenset(rows.agreements)),
        ("queue", (asker.queue,), frozenset(queues)),
    ):
        for value in values:
            if value not in accepted:
                raise ConfigError(f"asker {asker.id}: {key}: unknown {value}; accepted: {', '.join(sorted(accepted))}")
    for contract in asker.contracts:
        answer = rows.agreements[contract].answer
        for basis in () if answer is None else rows.inward.get(answer, ()):
            if not labels.may_serve(queues[asker.queue], labels.of(basis)):
                raise ConfigError(
                    f"asker {asker.id}: queue {asker.queue}: may not serve what basis {basis.id} lets in: "
                    f"its purposes are {', '.join(sorted(basis.purposes))}, and its benefits "
                    f"{', '.join(sorted(basis.benefits or ())) or 'not limited'}"
                )
