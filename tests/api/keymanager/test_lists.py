"""Lists of secrets: every filter, every sort key, pages with next and previous; their number of queries."""

from datetime import timedelta
from urllib.parse import urlsplit

import pytest
from sqlalchemy import select

from cloudd.core import clock
from cloudd.keymanager.models import Secret
from tests.api.keymanager.safe import S, make_safe, words

MADE = (
    {"name": "Alpha", "algorithm": "aes", "bit_length": 256, "mode": "xts", "secret_type": "symmetric",
     "expiration": "2101-01-01T00:00:00"},
    {"name": "beta", "algorithm": "aes", "bit_length": 128, "mode": "cbc", "secret_type": "passphrase",
     "expiration": "2102-01-01T00:00:00"},
    {"name": "gamma_100%", "algorithm": "RSA", "bit_length": 2048, "secret_type": "opaque"},
    {"name": "back\\slash"})
TIMES = ("2031-01-01T00:00:00", "2031-01-02T00:00:00", "2031-01-03T00:00:00", "2031-01-04T00:00:00")
ALL = [one["name"] for one in MADE]


@pytest.fixture(scope="module")
async def full(cloud):
    """A project with these secrets, made a day after each other."""
    safe, other = await make_safe(cloud), await make_safe(cloud)
    await other.make(name="another's")
    for body, moment in zip(MADE, TIMES, strict=True):
        path = await safe.make(**body)
        async with cloud.parts.database.write() as tx:
            row = (await tx.execute(select(Secret).where(Secret.id == path.rpartition("/")[2]))).scalar_one()
            row.created_at, row.updated_at = clock.parse(moment), clock.parse(moment) + timedelta(hours=1)
    return safe


@pytest.mark.parametrize(("query", "names"), [
    ("", ALL), ("name=Alpha", ["Alpha"]), ("name=alpha", ["Alpha"]), ("name=%25a", ["Alpha", "beta"]), ("name=_eta", ["beta"]),
    ("name=%25\\%25", ["back\\slash"]), ("name=\\", []), ("name=%25%25%25", ALL), ("name=", ALL), ("name=nobody", []),
    ("alg=aes", ["Alpha", "beta"]), ("alg=rsa", ["gamma_100%"]), ("mode=xts", ["Alpha"]), ("bits=128", ["beta"]), ("bits=0", []),
    ("secret_type=opaque", ALL[2:]), ("secret_type=symmetric", ["Alpha"]), ("secret_type=nothing", []),
    ("created=2031-01-02T00:00:00", ["beta"]), ("created=gt:2031-01-02T00:00:00", ALL[2:]), ("created=gte:2031-01-02T00:00:00", ALL[1:]),
    ("created=lt:2031-01-02T00:00:00", ["Alpha"]), ("created=gte:2031-01-02T00:00:00,lte:2031-01-03T00:00:00", ALL[1:3]),
    ("created=gt:2031-01-02T00:00:00Z,lt:2031-01-04T00:00:00", ["gamma_100%"]), ("created=gt:2031-01-02T01:00:00%2B02:00", ALL[1:]),
    ("updated=lte:2031-01-01T01:00:00", ["Alpha"]), ("updated=gt:2031-01-04T00:30:00", ["back\\slash"]),
    ("expiration=lt:2101-06-01T00:00:00", ["Alpha"]), ("expiration=gte:2101-01-01T00:00:00", ALL[:2]),
    ("acl_only=true", []), ("acl_only=false", ALL), ("alg=aes&mode=cbc&bits=128&name=b%25", ["beta"]), ("unknown=1", ALL)])
async def test_filters(full, query, names):
    assert await full.list(f"{query}&limit=100") == names


@pytest.mark.parametrize("query", [
    "created=x", "created=gt:", "created=gt:x", "updated=gt:2031-01-01,gte:2031-01-02", "created=2031-01-01,2031-01-02",
    "created=eq:2031-01-01", "expiration=lt:2031-01-01,2031-01-02", "created=lt:2031-01-01,lte:2031-01-01", "created=,",
    "created=9999-12-31T23:59:59-14:00", "sort=colour", "sort=name:up", "sort=name,name", "sort=name:asc:desc", "sort=,", "limit=x",
    "limit=-1", "offset=x", "offset=-1", "offset=1.5", "bits=many", "bits=-1", "bits=99999999999999999999", f"name={'x' * 256}",
    "offset=99999999999999999999"])
async def test_what_cannot_be_asked_is_refused_by_its_name(full, query):
    answer = await full.call("GET", f"?{query}")
    assert answer.status == 400 and query.partition("=")[0] in words(answer), answer.content


@pytest.mark.parametrize(("sort", "names"), [
    ("name", None), ("name:desc", None), ("created", ALL), ("created:desc", ALL[::-1]), ("updated:desc", ALL[::-1]),
    ("bit_length", ["back\\slash", "beta", "Alpha", "gamma_100%"]), ("bit_length:desc", ["gamma_100%", "Alpha", "beta", "back\\slash"]),
    ("expiration:desc", ["beta", "Alpha", "gamma_100%", "back\\slash"]),
    ("mode:desc,created:desc", ["Alpha", "beta", "back\\slash", "gamma_100%"]),
    ("secret_type", ["gamma_100%", "back\\slash", "beta", "Alpha"]), ("status,created", ALL), ("status:desc", ALL),
    ("algorithm,bit_length", None)])
async def test_sorts(full, sort, names):
    found = await full.list(f"sort={sort}&limit=100")
    assert sorted(found) == sorted(ALL) and (names is None or found == names)


async def test_pages_by_next_and_previous(full):
    address, seen, pages = f"{S}?limit=3&sort=created:desc&name=%25", [], 0
    while address:
        page = (await full.call("GET", address)).body
        assert page["total"] == 4
        seen += [row["name"] for row in page["secrets"]]
        pages, before = pages + 1, address
        assert ("previous" in page) == (pages > 1)
        parts = urlsplit(page.get("next", ""))
        assert not parts.path or f"{parts.scheme}://{parts.netloc}" == full.user.url
        address = f"{parts.path}?{parts.query}" if parts.path else ""
    assert (seen, pages) == (ALL[::-1], 2)
    parts = urlsplit((await full.call("GET", before)).body["previous"])
    assert await full.list(parts.query) == ALL[::-1][:3]


async def test_ten_on_a_page_unless_asked_and_a_hundred_at_most(cloud):
    safe = await make_safe(cloud)
    for number in range(12):
        await safe.make(name=f"{number}")
    assert len(await safe.list()) == 10 and len(await safe.list("limit=0")) == 1 and len(await safe.list("limit=1000")) == 12
    last = (await safe.call("GET", "?offset=10")).body
    assert (len(last["secrets"]), last["total"], "next" in last) == (2, 12, False)
    past = (await safe.call("GET", "?offset=12")).body
    assert past == {"secrets": [], "total": 12}
    top = (await safe.call("GET", "?limit=1000")).body
    assert "next" not in top


async def test_a_list_costs_as_many_queries_whatever_it_holds(cloud, full):
    await full.at("1.1").list()                               # what is kept in memory is there
    costs = []
    for query in ("limit=1", "limit=100"):
        before = cloud.parts.database.queries
        await full.at("1.1").list(query)
        costs.append(cloud.parts.database.queries - before)
    assert costs[0] == costs[1] <= 4
