"""Writes docs/map.md, the map of modules and rooms, from the tree: `make map`. A test holds that it is the tree's."""

import ast
from collections.abc import Iterator
from pathlib import Path

from cloudd.daemon import MODULES

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "map.md"
HEAD = """# The map

Made from the tree by `make map`: each folder with the first line of its docstring, and for each service the addresses that it serves
with the file that answers them. From an address to its code in three steps: find it below, open the file, read the handler; what it
calls is the rule, in the room that its import names. `make routes` prints every operation with its handler.
"""


def first_line(path: Path) -> str:
    """Of the docstring; empty without."""
    return (ast.get_docstring(ast.parse(path.read_text())) or "").split("\n")[0]


def rooms(folder: Path, depth: int = 0) -> Iterator[str]:
    """A line a folder, and a line a file beside a module's folders."""
    for path in sorted(folder.iterdir()):
        indent = "  " * depth
        if path.is_dir() and (path / "__init__.py").exists():
            words = first_line(path / "__init__.py")
            yield f"{indent}- `{path.name}/`" + (f": {words}" if words else "")
            yield from rooms(path, depth + 1)
        elif path.suffix == ".py" and depth < 2 and path.name != "__init__.py" and (words := first_line(path)):
            yield f"{indent}- `{path.name}`: {words}"


def addresses() -> Iterator[str]:
    for module in MODULES:
        for api in module.apis:
            yield f"\n### {api.title}\n"
            files: dict[str, list[str]] = {}
            for operation in api.operations:
                paths = files.setdefault(operation.home, [])
                path = operation.path or "/"
                if path not in paths and not any(path.startswith(f"{one}/") for one in paths if one != "/"):
                    paths.append(path)
            for name, paths in sorted(files.items()):
                yield f"- `{name.replace('.', '/')}.py`: " + ", ".join(f"`{api.prefixes[0]}{path}`" for path in sorted(paths))


def page() -> str:
    return "\n".join([HEAD, "## Rooms\n", *rooms(ROOT / "cloudd"), "\n## Addresses", *addresses(), ""])


if __name__ == "__main__":
    PAGE.write_text(page())
