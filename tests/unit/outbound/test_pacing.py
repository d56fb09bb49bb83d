"""When the next attempt is made: pauses, Retry-After, circuits, maintenance by the Swedish clock, expiry."""

import itertools
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import endings
from gateway.outbound import pacing
from gateway.outbound.pacing import Circuit, Standing
from gateway.outbound.states import ENDED, IN_FLIGHT, Happening, State
from gateway.partners import Endpoint, Maintenance
from gateway.swedish import shown, swedish_day, swedish_time
from tests.effort import effort

AT = datetime(2026, 11, 20, 12, tzinfo=UTC)
STOCKHOLM = ZoneInfo("Europe/Stockholm")
ENDS = (Happening.ANSWER, Happening.REFUSE, Happening.SPOIL, Happening.POSTPONE, Happening.LOSE)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

moments = st.datetimes(
    min_value=datetime(2001, 1, 2), max_value=datetime(2050, 12, 30), timezones=st.just(UTC)  # noqa: DTZ001
)  # fmt: skip
near_a_change = st.builds(
    lambda year, month, off: (
        shown(datetime(year, month, 31 - (datetime(year, month, 31).weekday() + 1) % 7, 1))[0]  # noqa: DTZ001
        + off
    ),
    st.integers(2001, 2050),
    st.sampled_from([3, 10]),
    st.timedeltas(timedelta(hours=-30), timedelta(hours=30)),
)
clocks = st.times(timezones=st.none()).map(lambda one: one.replace(second=0, microsecond=0, fold=0))
windows = st.builds(
    lambda days, begins, ends: Maintenance(days=days, begins=begins, ends=ends),
    st.frozensets(st.sampled_from(DAYS), min_size=1),
    clocks,
    clocks,
)


def endpoint(**changes) -> Endpoint:
    return Endpoint(address="https://a.example/", contracts=("a/b",), **changes)


class TestTheNextAttempt:
    @given(st.integers(1, 200), st.floats(0, 1, exclude_max=True))
    @effort(80)
    def test_is_after_half_a_pause_at_least_and_a_whole_one_at_most(self, attempts, chance):
        where = endpoint(first_pause=4, longest_pause=60)
        wait = pacing.again(where, at=AT, attempts=attempts, random=lambda: chance) - AT
        whole = timedelta(seconds=min(60, 4 * 2 ** min(attempts - 1, 10)))
        assert whole / 2 <= wait <= whole

    def test_is_later_each_time_until_the_longest_pause(self):
        where = endpoint(first_pause=1, longest_pause=100)
        waits = [pacing.again(where, at=AT, attempts=n, random=lambda: 0.5) - AT for n in range(1, 20)]
        assert all(after >= before for before, after in itertools.pairwise(waits))
        assert waits[-1] == timedelta(seconds=75)

    @given(st.timedeltas(timedelta(days=-3), timedelta(days=30)), st.integers(1, 30), st.floats(0, 1, exclude_max=True))
    @effort(80)
    def test_is_not_before_what_the_partner_asked_for_and_never_for_long_after(self, wanted, attempts, chance):
        where = endpoint()
        due = pacing.again(where, at=AT, attempts=attempts, random=lambda: chance, retry_after=wanted)
        alone = pacing.again(where, at=AT, attempts=attempts, random=lambda: chance)
        assert due >= alone
        assert due >= AT + min(wanted, pacing.PATIENCE)
        assert due <= max(alone, AT + pacing.PATIENCE)

    @given(st.lists(windows, max_size=3), moments, st.integers(1, 12))
    @effort(80)
    def test_is_never_in_maintenance(self, closed, at, attempts):
        where = endpoint(maintenance=tuple(closed))
        due = pacing.again(where, at=at, attempts=attempts, random=lambda: 0.0)
        assert due > at
        assert pacing.closed(closed, due) is None or all_the_time(closed)


def all_the_time(closed) -> bool:
    """Tell whether the windows leave no gap in a week."""
    day = datetime(2026, 6, 1, tzinfo=UTC)
    return all(by_the_clock(closed, day + timedelta(minutes=n)) for n in range(7 * 24 * 60))


def by_the_clock(closed, at) -> bool:
    """Tell by the zone's data, minute for minute, whether a window is open."""
    local = at.astimezone(STOCKHOLM)
    now = local.time()
    for one in closed:
        today, yesterday = DAYS[local.weekday()], DAYS[local.weekday() - 1]
        if one.begins < one.ends:
            if today in one.days and one.begins <= now < one.ends:
                return True
        elif (today in one.days and now >= one.begins) or (yesterday in one.days and now < one.ends):
            return True
    return False


class TestMaintenance:
    @given(windows, st.one_of(moments, near_a_change))
    @effort(150)
    def test_is_open_where_the_clock_in_sweden_says_so(self, window, at):
        shut = pacing.closed([window], at) is not None
        said = by_the_clock([window], at)
        if said:
            assert shut
        elif shut:  # only in the night in which an hour comes twice: closed from its first to its last
            local = at.astimezone(STOCKHOLM)
            assert local.utcoffset() != (at + timedelta(hours=2)).astimezone(STOCKHOLM).utcoffset() or (
                local.utcoffset() != (at - timedelta(hours=2)).astimezone(STOCKHOLM).utcoffset()
            )

    @given(st.lists(windows, min_size=1, max_size=3), moments)
    @effort(60)
    def test_ends_at_a_moment_that_is_open_and_not_before(self, closed, at):
        until = pacing.closed(closed, at)
        if until is not None:
            assert until > at
            assert pacing.closed(closed, until) is None or all_the_time(closed)
            assert pacing.closed(closed, until - timedelta(microseconds=1)) >= until

    @pytest.mark.parametrize(
        ("at", "until"),
        [
            ("2026-11-20T20:59:59+00:00", None),
            ("2026-11-20T21:00:00+00:00", "2026-11-21T04:00:00+00:00"),  # Friday 22:00 to Saturday 05:00
            ("2026-11-21T03:59:59+00:00", "2026-11-21T04:00:00+00:00"),
            ("2026-11-21T04:00:00+00:00", None),
            ("2026-11-21T21:00:00+00:00", None),  # it does not begin on a Saturday
            ("2026-07-03T20:00:00+00:00", "2026-07-04T03:00:00+00:00"),  # summer time
        ],
    )
    def test_goes_over_midnight_and_belongs_to_the_day_on_which_it_begins(self, at, until):
        window = Maintenance(days=frozenset({"fri"}), begins=time(22), ends=time(5))
        found = pacing.closed([window], datetime.fromisoformat(at))
        assert found == (until and datetime.fromisoformat(until))

    def test_an_hour_that_comes_twice_is_closed_both_times(self):
        window = Maintenance(begins=time(2, 15), ends=time(2, 45))
        first, last = datetime(2026, 10, 25, 0, 15, tzinfo=UTC), datetime(2026, 10, 25, 1, 45, tzinfo=UTC)
        assert pacing.closed([window], first) == pacing.closed([window], last - timedelta(seconds=1)) == last
        assert pacing.closed([window], first - timedelta(seconds=1)) is pacing.closed([window], last) is None

    def test_an_hour_that_does_not_come_is_over_when_the_clock_has_leapt_over_it(self):
        over_it = Maintenance(begins=time(23), ends=time(2, 30))
        assert pacing.closed([over_it], datetime(2026, 3, 29, 0, 59, tzinfo=UTC)) == datetime(
            2026, 3, 29, 1, tzinfo=UTC
        )
        within = Maintenance(begins=time(2, 15), ends=time(2, 45))
        assert pacing.closed([within], datetime(2026, 3, 29, 1, tzinfo=UTC)) is None

    def test_windows_that_touch_are_one(self):
        night, morning = Maintenance(begins=time(22), ends=time(5)), Maintenance(begins=time(5), ends=time(6))
        assert pacing.closed([night, morning], datetime(2026, 11, 20, 22, tzinfo=UTC)) == datetime(
            2026, 11, 21, 5, tzinfo=UTC
        )

    def test_a_service_that_is_always_closed_is_asked_again_in_a_week(self):
        always = Maintenance(begins=time(0), ends=time(0))
        until = pacing.closed([always], AT)
        assert timedelta(days=5) < until - AT <= timedelta(days=8)


class TestTheSwedishClock:
    @given(st.one_of(moments, near_a_change))
    @effort(80)
    def test_is_what_the_zones_data_say(self, at):
        local = at.astimezone(STOCKHOLM)
        assert swedish_time(at) == local.replace(tzinfo=None, fold=0)
        assert swedish_day(at) == local.date()

    @given(st.one_of(moments, near_a_change))
    @effort(60)
    def test_shows_every_moment_between_the_first_and_the_last(self, at):
        first, last = shown(swedish_time(at))
        assert first <= at <= last
        assert swedish_time(first) == swedish_time(last) == swedish_time(at)

    def test_leaps_over_an_hour_of_march(self):
        assert shown(datetime(2026, 3, 29, 2, 30)) == (datetime(2026, 3, 29, 1, tzinfo=UTC),) * 2  # noqa: DTZ001
        assert swedish_day(datetime(2026, 12, 31, 23, tzinfo=UTC)) == date(2027, 1, 1)


class TestTheCircuit:
    def test_opens_after_so_many_failures_in_a_row_and_lets_one_through_after_its_rest(self):
        where = endpoint(breaker_failures=3, breaker_rest=60)
        circuit = Circuit()
        for _ in range(2):
            circuit = circuit.after(Happening.POSTPONE, AT)
            assert circuit.stands(where, AT) is Standing.CLOSED
        circuit = circuit.after(Happening.LOSE, AT)
        assert circuit.stands(where, AT) is Standing.OPEN
        assert circuit.rests_until(where) == AT + timedelta(seconds=60)
        assert circuit.stands(where, AT + timedelta(seconds=59)) is Standing.OPEN
        assert circuit.stands(where, AT + timedelta(seconds=60)) is Standing.HALF_OPEN

    def test_a_probe_that_fails_opens_it_again_and_one_that_does_not_closes_it(self):
        where, later = endpoint(breaker_failures=1, breaker_rest=60), AT + timedelta(seconds=60)
        circuit = Circuit().after(Happening.LOSE, AT)
        assert circuit.after(Happening.LOSE, later).stands(where, later) is Standing.OPEN
        assert circuit.after(Happening.ANSWER, later).stands(where, later) is Standing.CLOSED

    @pytest.mark.parametrize("happening", [Happening.ANSWER, Happening.REFUSE, Happening.SPOIL])
    def test_who_answers_is_well_even_if_the_answer_is_no(self, happening):
        assert Circuit(failures=9, last=AT).after(happening, AT) == Circuit()

    @pytest.mark.parametrize("happening", sorted(set(Happening) - set(ENDS)))
    def test_what_is_no_end_of_an_attempt_tells_nothing(self, happening):
        assert Circuit(failures=2, last=AT).after(happening, AT) == Circuit(failures=2, last=AT)

    def test_a_clock_that_was_set_back_does_not_lengthen_a_rest(self):
        where = endpoint(breaker_failures=1, breaker_rest=60)
        assert Circuit(failures=1, last=AT).stands(where, AT - timedelta(hours=1)) is Standing.HALF_OPEN

    @given(st.lists(st.tuples(st.sampled_from(list(Happening)), moments)), st.integers(1, 6))
    @effort(80)
    def test_told_by_a_timeline_it_knows_the_failures_since_the_last_answer(self, ends, limit):
        circuit = Circuit.told(ends)
        kinds = [happening for happening, _ in ends if happening in ENDS]
        failures = len(list(itertools.takewhile(lambda one: one in pacing.FAILED, reversed(kinds))))
        assert circuit.failures == failures
        assert (circuit.rests_until(endpoint(breaker_failures=limit)) is not None) == (failures >= limit)


@pytest.mark.parametrize("state", sorted(set(State) - ENDED - IN_FLIGHT))
def test_an_expiry_is_called_certain_only_where_nothing_can_have_been_disclosed(state):
    certain = pacing.expiry(state) in {endings.EXPIRED, endings.UNREAD}
    assert certain == (state not in {State.UNCERTAIN, State.FETCHED})
