"""What other exchange systems shipped as bugs, held here as rules: each was somebody's incident.

Where a rule has its tests in another place already, `ELSEWHERE` names them, and this file proves that they are there.
Not applicable to this gateway: multi-part MIME and attachments (a message is one XML body of at most `[limits] body`
bytes), and time-stamping services (the log's own checkpoints take their place).
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.world import World

TESTS = Path(__file__).parents[1]
CONTRACT = "skatteverket/folkbokforing"

ELSEWHERE = {
    "a repeated message gets the original receipt and is never delivered twice": [
        "paths/test_accepted.py::test_the_same_bytes_again_give_the_first_receipt_and_no_second_event",
    ],
    "a failed message is never receipted, however often it comes": [
        "paths/test_refused.py::test_a_denied_message_is_denied_again_under_the_same_id",
        "paths/test_conflict.py::test_a_refused_message_does_not_take_its_id",
    ],
    "a security failure is final: nothing after it can make it an acceptance": [
        "architecture/test_forms.py::test_only_its_step_constructs_a_form",
        "vectors/test_vectors.py::test_a_stored_message_ends_where_its_folder_says",
    ],
    "forbidden data is kept, sealed apart, with a reason that can be read": [
        "paths/test_refused.py::test_forbidden_data_quarantines_the_whole_message_sealed_apart",
    ],
    "a revocation list that is stale, from the future or not there fails closed and says so": [
        "unit/trust/test_revocation.py::test_without_a_fresh_list_nothing_passes_where_one_is_required",
        "unit/trust/test_revocation.py::test_a_list_from_the_future_is_no_list_yet",
        "paths/test_refused.py::test_without_a_fresh_revocation_list_nothing_is_judged_and_the_sender_may_resend",
    ],
    "a clock that is wrong by more than the skew is told as such": [
        "paths/test_refused.py::test_a_message_older_than_five_minutes_and_the_skew_is_refused",
        "paths/test_refused.py::test_a_message_from_the_future_is_refused",
    ],
    "whoever writes the log may die at any point and goes on from there": [
        "paths/test_crashes.py::test_a_crash_of_the_integrator_never_signs_two_logs",
        "integration/test_crash_integrator.py::*",
    ],
    "an error says the message, the step, who mends it and whether to resend": [
        "unit/soap/test_fault.py::test_every_code_gives_a_canonical_fault_that_keeps_the_schema",
        "unit/soap/test_fault.py::test_only_what_may_be_resent_answers_503",
    ],
    "dead letters are found without browsing the broker, and grouped by what failed": [
        "contracts/test_dead_letters.py::*",
    ],
}


def rules_in(path: Path) -> set[str]:
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize("lesson", ELSEWHERE)
def test_a_lesson_has_the_tests_that_are_named_for_it(lesson):
    for named in ELSEWHERE[lesson]:
        file, _, name = named.partition("::")
        found = rules_in(TESTS / file)
        assert name in found if name != "*" else found, named


def test_a_partner_changes_its_certificate_with_an_overlap_and_no_message_is_lost_or_doubled(world: World):
    """Old and new sign side by side; what was sent under the old and sent again under the new is the same message."""
    old, new = (world.authorities.credentials[f"skatteverket-{name}"] for name in ("sign", "new-sign"))
    named = {"message_id": "urn:uuid:5d8f1c5e-0001-4000-8000-000000000001"}
    first = world.send(CONTRACT, credential=old, **named)
    again = world.send(CONTRACT, credential=new, **named)
    assert (first.accepted.repeated, again.accepted.repeated) == (False, True)
    assert again.accepted.leaves == first.accepted.leaves
    world.check()
    world.revoke("skatteverket-sign")
    world.travel(minutes=1)
    assert world.send(CONTRACT, credential=old).code == "GW-CERT-REVOKED"
    assert world.send(CONTRACT, credential=new).accepted is not None


def test_a_message_refused_for_its_signature_stays_refused_after_a_restart_and_reaches_no_queue(world: World):
    answer = world.tamper(world.compose(CONTRACT), b"2026-01-15T10:05:00Z", b"2026-01-15T10:55:00Z")
    world.restart()
    assert (answer.code, world.resend(answer).code) == ("GW-SIG-DIGEST", "GW-SIG-DIGEST")
    world.relay()
    assert world.consume() == []
