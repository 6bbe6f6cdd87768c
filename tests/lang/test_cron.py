"""Schedules: which times are due."""

from datetime import UTC, datetime

import pytest

from afflux.lang.cron import InvalidSchedule, parse_schedule


@pytest.mark.parametrize(
    ("schedule", "after", "due"),
    [
        ("*/5 * * * *", "2026-01-01T00:02:30", "2026-01-01T00:05:00"),
        ("* * * * *", "2026-01-01T00:02:00", "2026-01-01T00:03:00"),
        ("0 9-17/4 * * *", "2026-01-01T10:00:00", "2026-01-01T13:00:00"),
        ("30 4 1,15 * *", "2026-01-02T00:00:00", "2026-01-15T04:30:00"),
        ("0 0 13 * fri", "2026-01-01T00:00:00", "2026-01-02T00:00:00"),
        ("0 0 * feb sun", "2026-01-01T00:00:00", "2026-02-01T00:00:00"),
        ("0 0 29 2 *", "2026-03-01T00:00:00", "2028-02-29T00:00:00"),
        ("5/20 * * * *", "2026-01-01T00:30:00", "2026-01-01T00:45:00"),
        ("@hourly", "2026-01-01T00:00:00", "2026-01-01T01:00:00"),
        ("@weekly", "2026-01-01T00:00:00", "2026-01-04T00:00:00"),
        ("@yearly", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
        ("@every 90s", "2026-01-01T00:00:00", "2026-01-01T00:01:30"),
    ],
)
def test_the_next_due_time(schedule: str, after: str, due: str) -> None:
    moment = datetime.fromisoformat(after).replace(tzinfo=UTC)
    assert parse_schedule(schedule).after(moment) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_a_day_that_never_comes_is_never_due() -> None:
    assert parse_schedule("0 0 30 2 *").after(datetime(2026, 1, 1, tzinfo=UTC)) is None


_UNREADABLE = ["", "* * * *", "60 * * * *", "* * 0 * *", "* * * * 7", "a * * * *", "*/0 * * * *", "5-1 * * * *"]


@pytest.mark.parametrize("text", [*_UNREADABLE, "@every x", "@never"])
def test_a_schedule_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(InvalidSchedule):
        parse_schedule(text)
