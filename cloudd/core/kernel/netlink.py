"""pyroute2's sockets for links and addresses, without all that its package brings along.

Importing any of its modules would run the package first, which imports databases, servers and mocks: 5 MB of every daemon that nobody
here asks for. It is run when somebody does.
"""

import sys
from importlib.util import find_spec, module_from_spec
from typing import Any


def import_lazily(name: str) -> None:
    """Let a package's own code run when something is wanted of it that is none of its modules."""
    spec = find_spec(name) if name not in sys.modules else None
    if spec is None or spec.loader is None:
        return
    loader, package = spec.loader, module_from_spec(spec)

    def wanted(attribute: str) -> Any:
        if attribute.startswith("__") or find_spec(f"{name}.{attribute}") is not None:
            raise AttributeError(attribute)                    # a module is then imported as such
        del package.__dict__["__getattr__"]
        loader.exec_module(package)
        return getattr(package, attribute)
    package.__dict__["__getattr__"] = wanted
    sys.modules[name] = package


for _name in ("pyroute2", "unittest"):                          # it takes of the latter its mocks alone
    import_lazily(_name)

from pyroute2.iproute import IPRoute  # noqa: E402
from pyroute2.netlink.exceptions import NetlinkError  # noqa: E402

__all__ = ["IPRoute", "NetlinkError"]
