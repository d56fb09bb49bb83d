"""What an asker is answered goes to its own queue alone, and on the queue of commands we put nothing."""

from datetime import date

import pytest

from gateway.config import Queue
from gateway.dispatch import AskerId
from gateway.errors import ConfigError, IntegrityError
from gateway.events import compose
from gateway.events.compose import COMMAND, OUTCOME, Own, Routes
from gateway.message import ContractId, LeafHash, Pseudonym
from gateway.privacy import purpose
from tests.unit.privacy import going, statute
from tests.unit.privacy.going import MESSAGE, QUESTION, asker
from tests.unit.privacy.statute import CONTRACT, QUEUE, basis

PROV = compose.event_type("prov")
ASKED = basis("IN-2", direction="inbound_answer", contract="skatteverket/svar")


def queue(name="prov", **changes):
    return Queue.model_validate(QUEUE | {"name": name} | changes)


ORDINARY = queue("handlaggning")
COMMANDS = queue("kommandon", types=[COMMAND])
ANSWERS = queue("svar", types=[OUTCOME, PROV])


def own(*askers, **changes):
    given = {
        "commands": "kommandon",
        "askers": {one.id: one for one in askers or [asker(queue="svar")]},
        "answers": {QUESTION: ContractId("skatteverket/svar")},
        "received": frozenset({CONTRACT}),
    }
    return Own(**(given | changes))


def built(*queues, bases=(), who=None):
    return Routes.build(queues or (ORDINARY, COMMANDS, ANSWERS), [basis(), ASKED, *bases], who or own())


def refused(*queues, **more):
    with pytest.raises(ConfigError) as caught:
        built(*queues, **more)
    return caught.value.detail


def test_what_partners_send_goes_to_no_askers_queue_though_it_takes_the_type():
    assert built().by_basis["B-1"].queues == ("handlaggning",)
    assert "IN-2" not in built().by_basis


def test_what_an_asker_is_answered_goes_to_its_own_queue_alone():
    routes = built().answering(AskerId("prov"))
    assert {name: route.queues for name, route in routes.by_basis.items()} == {"IN-2": ("svar",)}


def test_an_event_of_an_answer_is_like_any_other_but_for_its_queue():
    permitted = purpose.permit(statute.valid(statute.record()), statute.law(basis()), statute.UNPROTECTED)
    routes = built(who=own(answers={QUESTION: CONTRACT}))
    told = {
        routed.by_basis["B-1"].queues: compose.event(
            permitted, permitted.decisions[0], pseudonym=Pseudonym("p"), leaf=LeafHash(bytes(32)), routes=routed
        )
        for routed in (routes, routes.answering(AskerId("prov")))
    }
    assert {queues: event.queues for queues, event in told.items()} == {
        ("handlaggning",): ("handlaggning",),
        ("svar",): ("svar",),
    }
    assert len({event.body for event in told.values()}) == 1


def test_what_another_asker_is_answered_is_not_on_the_routes_of_this_one():
    sends = asker(id="annan", queue="annan", contracts=[MESSAGE])
    routes = built(ORDINARY, COMMANDS, ANSWERS, queue("annan", types=[OUTCOME]), who=own(asker(queue="svar"), sends))
    assert not routes.answering(AskerId("annan")).by_basis
    with pytest.raises(IntegrityError):
        routes.answering(AskerId("okand"))
    with pytest.raises(IntegrityError):
        Routes.build([queue()], [basis()]).answering(AskerId("prov"))


def test_two_askers_may_share_a_queue_that_takes_what_both_are_answered():
    both = own(asker(queue="svar"), asker(id="annan", queue="svar", contracts=[MESSAGE]))
    assert built(who=both).answering(AskerId("annan")).by_basis == {}


def test_a_basis_for_what_goes_out_has_no_route():
    assert "OUT-1" not in built(bases=[going.basis()]).by_basis


def test_an_event_goes_only_where_all_versions_of_its_basis_may_go():
    old = basis(giltig_tom=date(2025, 11, 30), purposes=["fk:Arendehandlaggning", "fk:Kontroll"])
    new = basis(giltig_fom=date(2025, 12, 1))
    control = queue("kontroll", purposes=["fk:Kontroll"])
    for rows in ((old, new), (new, old)):
        routes = Routes.build([ORDINARY, control], [*rows, basis("B-2", purposes=["fk:Kontroll"])])
        assert routes.by_basis["B-1"].queues == ("handlaggning",)
        assert routes.by_basis["B-2"].queues == ("kontroll",)
    narrower = new.model_copy(update={"purposes": ("fk:Kontroll",)})
    handled = old.model_copy(update={"purposes": ("fk:Arendehandlaggning",)})
    with pytest.raises(ConfigError, match="basis B-1: no queue may have the events of all its versions"):
        Routes.build([ORDINARY, control], [handled, narrower])


def test_a_basis_that_no_contract_carries_gives_no_events():
    free = basis("B-3", contract=None, kind="konton")
    assert Routes.build([ORDINARY], [basis(), free]).by_basis.keys() == {"B-1"}
    with pytest.raises(ConfigError, match="basis B-3: no contract carries it"):
        compose.source(free)


@pytest.mark.parametrize(
    ("queues", "told"),
    [
        ((ORDINARY, ANSWERS), "sending.commands: unknown kommandon; accepted: handlaggning, svar"),
        ((ORDINARY, COMMANDS), "asker prov: queue: unknown svar; accepted: handlaggning"),
        (
            (ORDINARY, queue("kommandon", types=[COMMAND, PROV]), ANSWERS),
            f"queue kommandon: types: unknown {PROV}; accepted: {COMMAND}",
        ),
        ((ORDINARY, COMMANDS, queue("svar", types=[OUTCOME])), f"queue svar: types: its askers get {PROV} too"),
        ((ORDINARY, COMMANDS, queue("svar", types=[PROV])), f"queue svar: types: its askers get {OUTCOME} too"),
        (
            (ORDINARY, COMMANDS, queue("svar", types=[OUTCOME, PROV, COMMAND])),
            f"queue svar: types: unknown {COMMAND}; accepted: {PROV}, {OUTCOME}",
        ),
        ((queue("handlaggning", types=[PROV, OUTCOME]), COMMANDS, ANSWERS), "queue handlaggning: types: unknown"),
        ((queue("handlaggning", types=[PROV, COMMAND]), COMMANDS, ANSWERS), "queue handlaggning: types: unknown"),
        ((COMMANDS, ANSWERS), "basis B-1: no queue may have its events"),
        (
            (ORDINARY, queue("vid", purposes=["fk:Statistik"]), COMMANDS, ANSWERS),
            "queue vid: no basis lets it have anything",
        ),
        ((ORDINARY, COMMANDS, ANSWERS, ANSWERS), "queue svar: name is used twice"),
    ],
)
def test_a_queue_that_is_not_what_its_use_asks_is_refused(queues, told):
    assert refused(*queues).startswith(told)


def test_an_asker_may_not_be_answered_on_the_queue_of_commands():
    told = refused(who=own(asker(queue="kommandon")))
    assert told.startswith("asker prov: queue: unknown kommandon; accepted: handlaggning, svar")


def test_a_basis_that_comes_by_itself_too_needs_an_ordinary_queue_still():
    both = own(answers={QUESTION: CONTRACT}, received=frozenset({CONTRACT, ContractId("skatteverket/svar")}))
    assert built(who=both).by_basis["B-1"].queues == ("handlaggning",)
    assert built(who=both).answering(AskerId("prov")).by_basis["B-1"].queues == ("svar",)
    assert refused(COMMANDS, ANSWERS, who=both).startswith("basis B-1: no queue may have its events")


def test_without_askers_no_queue_of_commands_is_needed():
    nobody = own(askers={})
    assert built(ORDINARY, who=nobody).by_asker == {}


def test_the_delivered_queues_and_askers_fit_together():
    read, agreed = statute.delivered(), statute.agreed()
    routes = Routes.build(read.queues, read.bases, Own.of(read, agreed.outgoing))
    answered = {id_: set(by) for id_, by in routes.by_asker.items()}
    assert answered == {
        "handlaggning.aktivitetsstod": {"AF-ERSATTNING-01", "AF-ALLMAN-01", "SKV-PERSONPOST-01"},
        "rehabilitering": {"SKV-PERSONPOST-01"},
        "kontroll": set(),
    }
    special = {asker.queue for asker in read.askers.values()} | {read.gateway.sending.commands}
    assert not special & {name for route in routes.by_basis.values() for name in route.queues}
