"""Finds the operations of a path: a tree of segments, one dictionary look-up a segment, however many operations there are."""

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Node:
    """One place in the tree: literal children, one child for `{name}`, one for `{name...}` (the rest of the path)."""

    literals: dict[str, "Node"] = field(default_factory=dict)
    variable: "Node | None" = None
    rest: "Node | None" = None
    operations: dict[str, list[Any]] = field(default_factory=dict)


def names(path: str) -> list[str]:
    """The variable names of a path, in order."""
    return [segment.strip("{}").removesuffix("...") for segment in path.split("/") if segment.startswith("{")]


class Router:
    def __init__(self) -> None:
        self.root = Node()

    def add(self, method: str, path: str, operation: Any) -> None:
        node = self.root
        for segment in path.strip("/").split("/") if path.strip("/") else ():
            if segment.endswith("...}"):
                node.rest = node.rest or Node()
                node = node.rest
            elif segment.startswith("{"):
                node.variable = node.variable or Node()
                node = node.variable
            else:
                node = node.literals.setdefault(segment, Node())
        node.operations.setdefault(method, []).append(operation)

    def find(self, segments: list[str]) -> tuple[Node, list[str]] | None:
        """The node that serves a path and the values of its variables; literals win over variables."""
        return _walk(self.root, segments, [])

    def knows(self, segment: str) -> bool:
        """Whether a path may begin with this literal segment."""
        return segment in self.root.literals


def _walk(node: Node, segments: list[str], values: list[str]) -> tuple[Node, list[str]] | None:
    if not segments:
        return (node, values) if node.operations else None
    head, tail = segments[0], segments[1:]
    if head in node.literals and (found := _walk(node.literals[head], tail, values)):
        return found
    if node.variable and head and (found := _walk(node.variable, tail, [*values, head])):
        return found
    return (node.rest, [*values, "/".join(segments)]) if node.rest else None
