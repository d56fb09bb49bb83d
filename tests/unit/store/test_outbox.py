"""What the relay asks the outbox after an outage is found by an index."""

from gateway.store import outbox


def test_whether_a_person_has_an_earlier_event_is_looked_up_in_an_index_and_nothing_is_sorted(file):
    plan = [row[3] for row in file.execute(f"EXPLAIN QUERY PLAN {outbox._OVERTAKING}", (1000, 500)).fetchall()]
    assert any("INTEGER PRIMARY KEY (rowid>?)" in step for step in plan)
    assert any("COVERING INDEX ix_outbox_partition (partition=? AND id<?)" in step for step in plan)
    assert not any("TEMP B-TREE" in step or "MATERIALIZE" in step for step in plan), plan
