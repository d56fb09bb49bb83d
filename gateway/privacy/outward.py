"""What a register must keep for what goes out: bases for questions and messages, and the systems that may give them.

Our own questions and messages are disclosures, so their bases are held to what `register` holds all bases to, and more:

1. a basis has `[basis.outbound]` exactly when it is for what goes out, and its direction is what its contract does;
2. what it requires, and what the contract cannot do without, is among its fields;
3. a basis that rests on consent asks for it (SFB 30 kap. 10 §);
4. an employer gets nothing about health, nor anything else of a special category (lag (1991:1047) 11 §, OSL 28 kap.
   1 §), and free text, in which it could stand, never without a person; nobody is told of anybody's protected identity;
5. what a question cites can be cited, and some basis for its answer accepts it: else we would refuse every answer;
6. an asker's purposes, contracts and queue exist, and its queue may serve whatever its questions are answered with:
   labels stick to an answer as to anything else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from gateway.config import Asker, Basis, Configuration, Lagrum, Outbound
from gateway.dispatch import Interaction
from gateway.errors import ConfigError
from gateway.message import Category, ContractId, FieldSpec
from gateway.privacy import citation, labels, protected, purposes
from gateway.privacy.register import Agreements, known, wrong

_Rows = Mapping[str, tuple[Lagrum, ...]]
_Kinds = Mapping[ContractId, Mapping[str, Mapping[str, FieldSpec]]]

EMPLOYER = "arbetsgivare"
"""The type of partner that may have nothing of a special category."""
_WITHHELD_FROM_EMPLOYERS = frozenset({Category.HALSA, Category.KANSLIG, Category.BROTT})
_DIRECTIONS = {Interaction.ASK: "fk_question", Interaction.SEND: "fk_push"}


def check(configuration: Configuration, rows: _Rows, kinds: _Kinds, agreements: Agreements) -> None:
    """Check every basis for what goes out, and every asker. Raises ConfigError.

    What `register.check` checks must have been checked.
    """
    for basis in configuration.bases:
        if basis.inward != (basis.outbound is None):
            raise wrong(basis, "outbound", "is there for fk_question and fk_push, and only for them", ())
        if basis.outbound is not None:
            _check_contract(basis, agreements)
            _check_outbound(basis, basis.outbound, rows, agreements)
            _check_fields(basis, kinds[basis.contract][basis.kind])
            _check_cited(basis, basis.outbound, rows, configuration, agreements)
    for asker in configuration.askers.values():
        _check_asker(asker, configuration, agreements)


def _check_contract(basis: Basis, agreements: Agreements) -> None:
    known(basis, "contract", [basis.contract], agreements)
    agreed = agreements[basis.contract]
    known(basis, "direction", [basis.direction], {_DIRECTIONS[agreed.interaction]})
    known(basis, "kind", [basis.kind], {agreed.kind})


def _check_outbound(basis: Basis, outbound: Outbound, rows: _Rows, agreements: Agreements) -> None:
    known(basis, "outbound.required", outbound.required, basis.fields)
    missing = agreements[basis.contract].mandatory.difference(basis.fields)
    if missing:
        raise wrong(basis, "fields", f"without {', '.join(sorted(missing))} the contract has no message", ())
    by_consent = [row for id_ in basis.lagrum for row in rows[id_] if row.kind == "consent"]
    if by_consent and not outbound.consent:
        raise wrong(basis, "outbound.consent", f"must be true: {by_consent[0].id} rests on consent", ())
    for row in rows[basis.lagrum[0]]:
        if citation.normal(citation.written(row)) != citation.names(row):
            raise wrong(row, "forfattning", f"basis {basis.id} cites it, and it cannot be cited: no SFS number", ())


def _check_fields(basis: Basis, fields: Mapping[str, FieldSpec]) -> None:
    if basis.partner_type == EMPLOYER:
        lacking = _WITHHELD_FROM_EMPLOYERS.difference(basis.forbidden)
        if lacking:
            raise wrong(basis, "forbidden", f"an employer may not have {', '.join(sorted(lacking))}", ())
        if Category.FRITEXT not in basis.referred and any(
            fields[name].category is Category.FRITEXT for name in basis.fields
        ):
            raise wrong(basis, "referred", "what is written freely to an employer is read by a person", {"fritext"})
    for name in basis.fields:
        if protected.tells(name):
            raise wrong(basis, "fields", f"{name} tells of protected identity", ())
    if basis.cited is not None:
        raise wrong(basis, "cited", "is about what a partner cites, and here we do", ())


def _check_cited(
    basis: Basis, outbound: Outbound, rows: _Rows, configuration: Configuration, agreements: Agreements
) -> None:
    answer = agreements[basis.contract].answer
    if answer is None:
        return
    answering = tuple(_inward(configuration, answer))
    if not answering:
        raise wrong(basis, "contract", f"no basis lets in what it is answered with, {answer}", ())
    for row in rows[basis.lagrum[0]]:
        told = {citation.normal(outbound.purpose_text), citation.normal(citation.written(row))}
        if not any(one.cited is None or told.issubset(map(citation.normal, one.cited)) for one in answering):
            accepted = {text for one in answering for text in one.cited or ()}
            raise wrong(
                basis, "outbound.purpose_text", "no basis for the answer accepts it with the paragraph", accepted
            )


def _inward(configuration: Configuration, contract: ContractId) -> Iterator[Basis]:
    return (basis for basis in configuration.bases if basis.inward and basis.contract == contract)


def _check_asker(asker: Asker, configuration: Configuration, agreements: Agreements) -> None:
    queues = {queue.name: queue for queue in configuration.queues}
    for key, values, accepted in (
        ("purposes", asker.purposes, purposes.ASKING | purposes.TELLING),
        ("contracts", asker.contracts, frozenset(agreements)),
        ("queue", (asker.queue,), frozenset(queues)),
    ):
        for value in values:
            if value not in accepted:
                raise ConfigError(f"asker {asker.id}: {key}: unknown {value}; accepted: {', '.join(sorted(accepted))}")
    for contract in asker.contracts:
        answer = agreements[contract].answer
        for basis in () if answer is None else _inward(configuration, answer):
            if not labels.may_serve(queues[asker.queue], labels.of(basis)):
                raise ConfigError(
                    f"asker {asker.id}: queue {asker.queue}: may not serve what basis {basis.id} lets in: "
                    f"its purposes are {', '.join(sorted(basis.purposes))}, and its benefits "
                    f"{', '.join(sorted(basis.benefits or ())) or 'not limited'}"
                )
