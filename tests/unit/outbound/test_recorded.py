"""What we disclosed, and what did not go, opened from the log and told in words (`gateway purpose explain NUMBER`)."""

import pytest

from gateway.cli import recorded
from gateway.privacy import explain
from tests.unit.outbound.test_walk import QUESTION, SUMMONS, given, told, way

__all__ = ["told", "way"]
pytestmark = pytest.mark.usefixtures("told")


@pytest.mark.parametrize("what", [QUESTION, SUMMONS])
def test_a_disclosure_is_explained_from_the_leaf_that_meant_it(way, what):
    dispatch = given(way, what)
    way.run()
    answers = {
        one.position: recorded.answer(way.views, way.scene.rules.sealer, one.position)
        for one in way.views.dispatch_leaves(dispatch)
    }
    intent, *rest = [answer for _, answer in sorted(answers.items())]
    assert intent is not None
    assert intent["decision"] == "PERMIT"
    first, *more = explain.paragraphs(intent, "sv")
    assert first.startswith("Tillåtet. Fält som får passera: ")
    assert any(f"grunden {intent['basisId']}" in text for text in more)
    assert rest[0] is None  # the end tells what became of it, and decides nothing


def test_what_was_denied_is_explained_with_its_reason(way):
    dispatch = given(way, QUESTION, purpose="fk:Statistik")
    way.run()
    (leaf,) = way.views.dispatch_leaves(dispatch)[:1]
    answer = recorded.answer(way.views, way.scene.rules.sealer, leaf.position)
    assert answer is not None
    assert (answer["decision"], list(answer["reasonCodes"])) == ("DENY", ["PURPOSE_NOT_FOR_ASKER"])
    assert explain.paragraphs(answer, "en")[0].startswith("Denied. The system may do nothing for that purpose")
    assert recorded.answer(way.views, way.scene.rules.sealer, leaf.position + 1000) is None
