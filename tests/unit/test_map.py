"""docs/map.md is the tree's, and from an address one gets to the code in three steps."""

from pathlib import Path

from cloudd.daemon import MODULES
from tests import map
from tests.api.test_every_operation import OPERATIONS


def test_the_map_is_the_trees():
    assert map.PAGE.read_text() == map.page(), "run `make map`"


def test_every_operation_has_its_home_in_its_services_api_folder():
    modules = {api: module.name for module in MODULES for api in module.apis}
    for operation in OPERATIONS:
        assert f".{modules[operation.api]}.api" in operation.home, operation.path
        assert (Path(map.ROOT, *operation.home.split(".")).with_suffix(".py").exists()
                or Path(map.ROOT, *operation.home.split("."), "__init__.py").exists())
