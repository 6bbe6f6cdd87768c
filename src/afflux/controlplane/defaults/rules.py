"""How a default is written down: what fills in where a node has nothing, and what happens inside it.

A rule takes a node and returns it, changed by copy along the way; a node in which everything is said comes back itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from afflux.objects.manifest import Json

Node = dict[str, Json]
Rule = Callable[[Node], Node]


@dataclass(frozen=True, slots=True)
class Fields:
    """The defaults of one struct.

    ``defaults`` fill in absent (or null) fields, then ``inside`` works on fields that hold a struct, ``each`` on the
    items of fields that hold a list of structs, and ``then`` on the node as a whole: for what looks at other fields.
    """

    defaults: Mapping[str, Json] = field(default_factory=dict)
    inside: Mapping[str, Rule] = field(default_factory=dict)
    each: Mapping[str, Rule] = field(default_factory=dict)
    then: tuple[Rule, ...] = ()

    def __call__(self, node: Node) -> Node:
        """The node with its defaults; the same object if it lacked none."""
        changes: Node = {}
        for name, default in self.defaults.items():
            if node.get(name) is None:
                changes[name] = _own(default)
        for name, rule in self.inside.items():
            value = changes.get(name, node.get(name))
            if isinstance(value, dict) and (new := rule(value)) is not value:
                changes[name] = new
        for name, rule in self.each.items():
            value = node.get(name)
            if isinstance(value, list) and (items := each_of(value, rule)) is not value:
                changes[name] = items
        result = {**node, **changes} if changes else node
        for rule in self.then:
            result = rule(result)
        return result


def each_of(items: list[Json], rule: Rule) -> list[Json]:
    """The list with ``rule`` applied to its structs; the same list if none changed."""
    new = [rule(item) if isinstance(item, dict) else item for item in items]
    return new if any(a is not b for a, b in zip(new, items, strict=True)) else items


def _own(default: Json) -> Json:
    """A default that belongs to the object alone: tables are never handed out."""
    if isinstance(default, dict):
        return {name: _own(value) for name, value in default.items()}
    return list(default) if isinstance(default, list) else default
