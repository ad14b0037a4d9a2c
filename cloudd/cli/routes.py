"""`cloudd routes`: every operation, as declared."""

from cloudd.core.http.microversions import show as version
from cloudd.core.http.shapes import LAST
from cloudd.daemon import MODULES


def show() -> int:
    """Print a line an operation: service, method, path, action, versions, policy, and the file that declares it."""
    for module in MODULES:
        for api in module.apis:
            for one in sorted(api.operations, key=lambda one: (one.path, one.method, one.action or "")):
                span = f"{version(one.since) if one.since > (0, 0) else ''}-{version(one.until) if one.until < LAST else ''}"
                print(f"{api.service:14} {one.method:6} {api.prefixes[0] + one.path:70} {one.action or '-':28} "
                      f"{'' if span == '-' else span:10} {one.policy or 'no token':60} {one.home.replace('.', '/')}.py")
    return 0
