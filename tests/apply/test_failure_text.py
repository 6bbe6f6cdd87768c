import pytest

from afflux.apply.failure_text import is_immutable
from afflux.kube.errors import ApiError, Conflict, Invalid, Unreachable

REFUSALS = [
    (Invalid(422, "Invalid", "spec.selector: Invalid value: field is immutable"), True),
    (Invalid(422, "Invalid", "updates to statefulset spec are forbidden"), True),
    (Conflict(409, "Conflict", "clusterIP is taken"), True),
    (
        Conflict(
            409, "Conflict", 'Operation cannot be fulfilled on deployments.apps "a": the object has been modified'
        ),
        False,
    ),
    (ApiError(500, "InternalError", "etcdserver: request timed out"), False),
    (Unreachable("no answer"), False),
]


@pytest.mark.parametrize(("error", "immutable"), REFUSALS)
def test_only_a_refusal_that_may_be_about_an_immutable_field_leads_to_recreation(
    error: ApiError, immutable: bool
) -> None:
    assert is_immutable(error) is immutable
