"""The rules of the house: who may import whom, how long a file and a function may be, where `except Exception` stands."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "cloudd"
FILES = sorted(ROOT.rglob("*.py"))
ORDER = ("identity", "keymanager", "objectstore", "image", "network", "block", "compute", "metering", "orchestration")
BROAD = ("core/http/dispatch.py", "core/http/server.py", "core/runner.py", "core/events.py", "core/tasks.py",
         "core/commits.py",                                    # one caller's hooks must not fail another's commit
         "drivers/")


FOLDERS = [folder for top in (ROOT, ROOT.parent / "tests") for folder in [top, *top.rglob("*")]
           if folder.is_dir() and folder.name != "__pycache__" and folder.name != "api"]


def name_of(path: Path) -> str:
    return ".".join(["cloudd", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")


BY_NAME = {name_of(path): path for path in FILES}


def imports(path: Path) -> list[str]:
    tree = ast.parse(path.read_text())
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found += [f"{node.module}.{alias.name}" for alias in node.names]
    return [name for name in found if name.startswith("cloudd.")]


def needs(path: Path) -> set[str]:
    """The files that a file imports."""
    found = {name if name in BY_NAME else name.rpartition(".")[0] for name in imports(path)}
    return {name for name in found if name in BY_NAME} - {name_of(path)}


def subroom(name: str) -> str:
    """The room of a file within its module: the folder below the module's, or the file itself beside those."""
    folders = BY_NAME[name].relative_to(ROOT).parent.parts
    return ".".join(folders[:2]) if len(folders) > 1 else name


def circles(graph: dict[str, set[str]]) -> list[str]:
    """What is left of a graph when all that can be put in order has gone."""
    left = {name: set(others) for name, others in graph.items()}
    while free := [name for name, others in left.items() if not others & left.keys()]:
        for name in free:
            del left[name]
    while top := left.keys() - set().union(*left.values()):
        for name in top:
            del left[name]
    return sorted(left)


def room(name: str) -> str:
    parts = name.split(".")
    return parts[1] if len(parts) > 1 else ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_one_way(path):
    here = room(name_of(path))
    for name in imports(path):
        there = room(name)
        if here == "core":
            assert there == "core" or name == "cloudd.__version__", f"core imports {name}"
        elif here == "drivers":
            assert there in ("core", "drivers"), f"a driver imports {name}"
        elif here in ORDER and there in ORDER and there != here:
            assert ORDER.index(there) < ORDER.index(here), f"{name} is to the right of {here}: emit an event"
            assert len(name.split(".")) <= 3, f"{name} is behind the face of {there}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_logic_does_not_import_its_api_or_jobs(path):
    parts = path.relative_to(ROOT).parts
    if parts[0] in ORDER and parts[1] not in ("api", "jobs", "service.py"):
        for name in imports(path):
            assert not name.startswith((f"cloudd.{parts[0]}.api", f"cloudd.{parts[0]}.jobs")), name


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_are_short(path):
    text = path.read_text()
    assert text.count("\n") <= 600, "split it by subject"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length <= 50, f"{node.name} has {length} lines"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_broad_excepts_stand_where_they_may(path):
    where = str(path.relative_to(ROOT))
    if where.startswith(BROAD):
        return
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ExceptHandler):
            broad = node.type is None or (isinstance(node.type, ast.Name) and node.type.id == "Exception")
            assert not broad, f"line {node.lineno}: name what may go wrong"


def test_no_files_import_each_other_in_a_circle():
    assert not circles({name: needs(path) for name, path in BY_NAME.items()})


def test_no_rooms_of_a_module_import_each_other_in_a_circle():
    """A module's folders are its rooms, and so is each file beside them."""
    graph: dict[str, set[str]] = {}
    for name, path in BY_NAME.items():
        graph.setdefault(subroom(name), set()).update(subroom(other) for other in needs(path))
    assert not circles({here: there - {here} for here, there in graph.items()})


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT.parent)))
def test_nobody_gets_lost_in_a_folder(folder):
    assert len(list(folder.glob("*.py"))) <= 24 + (folder / "__init__.py").exists(), "make rooms by subject"


def test_tasks_have_owners():
    for path in FILES:
        if path.name != "tasks.py":
            assert ".create_task(" not in path.read_text(), f"{path}: use cloudd.core.tasks.start"
