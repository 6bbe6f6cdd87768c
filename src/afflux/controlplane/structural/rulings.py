"""Rules whose evaluation may take long: asked of a worker, then the write is walked again with the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeVar

import orjson

from afflux.controlplane.errors import ApiStatusError, FieldError
from afflux.controlplane.structural.nodes import read_schema
from afflux.controlplane.structural.rules import check_rules
from afflux.objects.manifest import Json
from afflux.offload import TaskCrashed, TaskTimedOut, WorkerPool
from afflux.offload.limits import Limits

Outcome = TypeVar("Outcome")

LIMITS: Final = Limits(wall_seconds=10.0, cpu_seconds=2, memory_bytes=2 << 30)
"""What the rules of one object may take. A real server allows about a second."""

_WORKERS: Final = 2
_ROUNDS: Final = 6
"""A first try and, as a real server does, five more."""
_OUT_OF_BUDGET: Final = FieldError(
    "FieldValueInvalid",
    "Invalid value: validation failed due to running out of cost budget, no further validation rules will be run",
    "<nil>",
)


class Question(NamedTuple):
    """The rules of a schema about a value and its former self, each as JSON."""

    schema: bytes
    new: bytes
    old: bytes


class Ruling(NamedTuple):
    """What rules said: the errors, and what could not be evaluated."""

    errors: list[FieldError]
    warnings: list[str]


class RulingNeeded(Exception):
    """A write can't go on before the question is answered: ask it of a ``RuleCourt``, and write again."""

    def __init__(self, question: Question) -> None:
        super().__init__("rules are to be evaluated")
        self.question = question


@dataclass(slots=True)
class Rulings:
    """What is kept between the rounds of one request: answers, and the name that was made up for its object."""

    answers: dict[Question, Ruling] = field(default_factory=dict)
    name: str = ""

    def on(self, question: Question) -> Ruling:
        """The answer; ``RulingNeeded`` where there is none yet."""
        found = self.answers.get(question)
        if found is None:
            raise RulingNeeded(question)
        return found


class RuleCourt:
    """Worker processes for rules that may take long, started when first needed."""

    def __init__(self) -> None:
        self._pool = WorkerPool(_WORKERS, LIMITS, preload=(__name__,))

    async def rule(self, question: Question) -> Ruling:
        """The answer. Rules that take too much time or memory refuse the object, as on a real server."""
        try:
            return await self._pool.run(judge, question)
        except (TaskTimedOut, TaskCrashed, MemoryError, RecursionError):
            return Ruling([_OUT_OF_BUDGET], [])

    async def settled(self, write: Callable[[], Outcome], rulings: Rulings) -> Outcome:
        """Walk a write, and again with what it asked for; another write may come in between. Raises 409 if many do."""
        for _ in range(_ROUNDS):
            try:
                return write()
            except RulingNeeded as needed:
                rulings.answers[needed.question] = await self.rule(needed.question)
        raise ApiStatusError(
            409, "Conflict", "the object was modified again and again while its rules were evaluated; please try again"
        )

    def close(self) -> None:
        """End the workers."""
        self._pool.close()


def judge(question: Question) -> Ruling:
    """Evaluate rules; in a worker process."""
    warnings: list[str] = []
    new, old = orjson.loads(question.new), orjson.loads(question.old)
    errors = list(check_rules(read_schema(orjson.loads(question.schema)), new, old, "", warnings, differs=True))
    return Ruling(errors, warnings)


def question_about(schema: Json, new: Json, old: Json) -> Question:
    """The question about a value."""
    return Question(*(orjson.dumps(part, option=orjson.OPT_SORT_KEYS) for part in (schema, new, old)))
