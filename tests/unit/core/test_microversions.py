"""Which microversion a request asks for."""

import pytest
from multidict import CIMultiDict

from cloudd.core.errors import BadRequest
from cloudd.core.http import History, V
from cloudd.core.http.microversions import Negotiation

NEW, OLD = "OpenStack-API-Version", "X-OpenStack-Nova-API-Version"
COMPUTE = Negotiation(History("2.1", last="2.90"), "compute", OLD)


@pytest.mark.parametrize(("headers", "version"), [
    ([], "2.1"),
    ([(NEW, "compute 2.40")], "2.40"),
    ([(NEW, "compute 2.40"), (NEW, "compute 2.50")], "2.50"),
    ([(NEW, "compute 2.50"), (NEW, "compute 2.40")], "2.40"),
    ([(NEW, "compute 2.40, compute 2.50")], "2.50"),
    ([(NEW, "compute 2.40"), (NEW, "volume 3.70")], "2.40"),
    ([(NEW, "compute nonsense"), (NEW, "COMPUTE   2.50 ")], "2.50"),
    ([(NEW, "compute"), (OLD, "2.30")], "2.30"),
    ([(OLD, "2.20"), (OLD, "2.30")], "2.30"),
    ([(OLD, "2.20, 2.30")], "2.30"),
    ([(OLD, "2.20"), (NEW, "compute 2.10")], "2.10"),
    ([(OLD, "")], "2.1"),
    ([(NEW, "compute latest")], "2.90"),
])
def test_the_last_of_several_version_headers_counts(headers, version):
    assert COMPUTE.version(CIMultiDict(headers)) == V(version)
    assert COMPUTE.version(dict(headers)) == V(version) or len({name for name, _ in headers}) < len(headers)


@pytest.mark.parametrize("text", ["2", "2.x", "two", "2.10.1", "2.01", "-2.1", "2.1e3", "\u0662.1"])
def test_a_malformed_version_is_a_bad_request(text):
    with pytest.raises(BadRequest, match="invalid format"):
        COMPUTE.version(CIMultiDict({NEW: f"compute {text}"}))
