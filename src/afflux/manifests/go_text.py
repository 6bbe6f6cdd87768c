"""Values as Go prints them, for messages that clients know from Kubernetes."""

from afflux.objects.manifest import Json


def go_value(value: Json) -> str:
    """As Go's ``%v`` prints a parsed value."""
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case dict():
            return "map[" + " ".join(f"{key}:{go_value(value[key])}" for key in sorted(value)) + "]"
        case list():
            return "[" + " ".join(map(go_value, value)) + "]"
        case _:
            return str(value)
