"""A request for a resource, taken apart, and the answer to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from afflux.controlplane.negotiation import JSON, Form
from afflux.controlplane.options import Options
from afflux.controlplane.pipeline import Author, User, Written
from afflux.controlplane.rendering import render_object
from afflux.controlplane.routes import Target
from afflux.controlplane.served_kind import ServedKind
from afflux.controlplane.structural.rulings import Rulings


@dataclass(frozen=True, slots=True)
class ApiRequest:
    """What is asked of which resource by whom. ``include`` is a table's ``includeObject``."""

    method: str
    target: Target
    kind: ServedKind
    options: Options
    user: User
    form: Form = Form.JSON
    body: bytes = b""
    content_type: str = JSON
    user_agent: str = ""
    rulings: Rulings = field(default_factory=Rulings)

    @property
    def include(self) -> str:
        return self.options.text("includeObject") or "Metadata"

    def author(self) -> Author:
        """The request's user as the author of a write, options checked."""
        return Author(
            user=self.user,
            manager=self.options.field_manager(self.user_agent),
            dry_run=self.options.dry_run,
            field_validation=self.options.field_validation,
            rulings=self.rulings,
        )


@dataclass(slots=True)
class Answer:
    """A whole answer. ``wrote`` means that it may go out only when the store's journal is committed."""

    body: bytes
    code: int = 200
    content_type: str = JSON
    warnings: list[str] = field(default_factory=list)
    wrote: bool = False


def answer_written(request: ApiRequest, written: Written, author: Author) -> Answer:
    """The object that a write left, in the form that was asked for."""
    body = render_object(request.kind, request.form, written.manifest, written.stored, request.include)
    code = 201 if written.created else 200
    return Answer(body, code, request.form.content_type, deprecations(request.kind) + author.warnings, wrote=True)


def deprecations(kind: ServedKind) -> list[str]:
    """The warning that a kind's version deserves."""
    return [kind.custom.deprecation_warning] if kind.custom and kind.custom.deprecation_warning else []
