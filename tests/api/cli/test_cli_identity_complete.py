"""No command of the identity group goes untried: each stands at the head of a line that some test here hands to `openstack`."""

import ast
from importlib.metadata import entry_points
from pathlib import Path

import pytest

GROUP = "openstack.identity.v3"
COMMANDS = {tuple(entry.name.split("_")) for entry in entry_points(group=GROUP)}


def texts() -> set[str]:
    """The texts in this directory's tests but for docstrings; of f-strings their parts."""
    found: set[str] = set()
    for path in Path(__file__).parent.glob("test_cli_*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        docstrings = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}
        found |= {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)
                  and id(node) not in docstrings}
    return found


def command(line: str) -> tuple[str, ...] | None:
    """The longest command that a line begins with."""
    words = tuple(line.split())
    return next((words[:length] for length in range(len(words), 0, -1) if words[:length] in COMMANDS), None)


TRIED = {found for line in texts() if (found := command(line))}


@pytest.mark.parametrize("words", sorted(COMMANDS), ids="-".join)
def test_a_command_is_tried(words: tuple[str, ...]) -> None:
    assert words in TRIED, f"no test here runs `openstack {' '.join(words)}`"


def test_there_are_commands() -> None:
    assert len(COMMANDS) > 120
