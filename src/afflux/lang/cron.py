"""Cron: the schedules of Kubernetes' CronJobs, five fields or a word."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from afflux.lang.duration import InvalidDuration, parse_duration

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of week", 0, 6, {name: number for number, name in enumerate(_WEEKDAYS)}),
)
_WORDS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY: Final = "@every "
_FAR: Final = timedelta(days=366 * 8)
"""A schedule without a time in so long (a 30th of February) never comes."""


class InvalidSchedule(ValueError):
    """A schedule that can't be read; the message names the field."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something is due. ``every`` (seconds) stands alone; otherwise a time must be in all five sets."""

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    either_day: bool = False
    """Both kinds of day are restricted: one of them is enough, as cron has it."""
    every: float = 0.0

    def after(self, moment: datetime) -> datetime | None:
        """The first due time after ``moment``, in its time zone; None if there is none."""
        if self.every:
            return (moment + timedelta(seconds=self.every)).replace(microsecond=0)
        due = moment.replace(second=0, microsecond=0) + timedelta(minutes=1)
        end = moment + _FAR
        while due < end:
            if due.month not in self.months or not self._is_day(due):
                due = due.replace(hour=0, minute=0) + timedelta(days=1)
            elif due.hour not in self.hours:
                due = due.replace(minute=0) + timedelta(hours=1)
            elif due.minute not in self.minutes:
                due += timedelta(minutes=1)
            else:
                return due
        return None

    def _is_day(self, due: datetime) -> bool:
        of_month, of_week = due.day in self.days, due.isoweekday() % 7 in self.weekdays
        return (of_month or of_week) if self.either_day else (of_month and of_week)


def parse_schedule(text: str) -> Schedule:
    """A schedule as robfig/cron's standard parser reads it. ``InvalidSchedule``."""
    text = text.strip()
    if text.startswith(_EVERY):
        try:
            return Schedule(every=max(parse_duration(text.removeprefix(_EVERY)), 1.0))
        except InvalidDuration as error:
            raise InvalidSchedule(str(error)) from None
    fields = _WORDS.get(text, text).split()
    if len(fields) != len(_FIELDS):
        raise InvalidSchedule(f'schedule "{text}": expected five fields, found {len(fields)}')
    sets = [_values(field, *bounds) for field, bounds in zip(fields, _FIELDS, strict=True)]
    restricted = [not field.startswith(("*", "?")) for field in fields]
    minutes, hours, days, months, weekdays = sets
    return Schedule(minutes, hours, days, months, weekdays, either_day=restricted[2] and restricted[4])


def _values(field: str, name: str, least: int, most: int, names: dict[str, int]) -> frozenset[int]:
    values: set[int] = set()
    for part in field.split(","):
        span, stepped, step = part.partition("/")
        first, ranged, last = span.partition("-")
        if span in ("*", "?"):
            low, high = least, most
        else:
            low = _number(first, name, names)
            high = _number(last, name, names) if ranged else most if stepped else low
        stride = _number(step, name, {}) if stepped else 1
        if not least <= low <= high <= most or stride < 1:
            raise InvalidSchedule(f'{name} "{part}": must be within {least}-{most}')
        values.update(range(low, high + 1, stride))
    return frozenset(values)


def _number(text: str, name: str, names: dict[str, int]) -> int:
    if text.lower() in names:
        return names[text.lower()]
    if not text.isdecimal():
        raise InvalidSchedule(f'{name} "{text}": not a number')
    return int(text)
