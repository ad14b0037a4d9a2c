"""Servers: the detailed list of 1,000 and of 10,000 with its queries, and 50 made at once."""

import json
import time

from tests.bench import bare, cloud, load, rows
from tests.bench.figures import Figure

MANY, MORE, PAGE = 1_000, 10_000, 1_000
AT_ONCE = 50
ALONE = 3
BEFORE = 3.2            # seconds for those at once, before writers shared commits; on another machine of two cores
PLENTY = {"CLOUDD_QUOTA_INSTANCES": "-1", "CLOUDD_QUOTA_CORES": "-1", "CLOUDD_QUOTA_RAM": "-1", "CLOUDD_QUOTA_PORT": "-1"}
DETAIL = "/compute/v2.1/servers/detail"


def figures(full: bool) -> list[Figure]:
    with cloud.new() as place:
        with place.serving(**PLENTY):
            place.fill()
        with place.serving(**PLENTY):
            caller = place.caller("demo")
            at_once = _at_once(caller)
        with place.serving(**PLENTY):
            return [*_lists(place), *at_once]


def _lists(place: cloud.Cloud) -> list[Figure]:
    caller = place.caller("demo")
    server = rows.pattern(place, caller)
    headers = {"X-Auth-Token": caller.token, "OpenStack-API-Version": "compute 2.96"}
    few = _list(place, headers, DETAIL + "?limit=10")
    rows.multiply(place.state, server, MANY)
    many = _list(place, headers, DETAIL)
    content = json.dumps(caller.get(DETAIL, headers=headers), separators=(",", ":")).encode()
    rows.multiply(place.state, server, MORE)
    page = _list(place, headers, DETAIL)
    whole = _whole(caller, headers)
    peer = bare.measured(content, load.request("GET", "/"), 1, 1.0)[0].median_ms
    serialising = ((f"bare aiohttp, same {len(content) >> 10} KiB", peer),)
    return [
        Figure(f"GET /servers/detail, {MANY:,} servers", many[0], "ms", serialising, most=100),
        Figure(f"its queries with {MANY:,} servers", many[1], "", (("with 10", few[1]),)),
        Figure(f"a page of {PAGE:,} of {MORE:,} servers", page[0], "ms", ((f"{MANY:,} of {MANY:,}", many[0]),)),
        Figure(f"its queries with {MORE:,} servers", page[1], "", (("with 10", few[1]),)),
        Figure(f"all {MORE:,} servers, page by page", whole, "ms", ((f"{MANY:,} servers", many[0]),)),
    ]


def _list(place: cloud.Cloud, headers: dict[str, str], path: str) -> tuple[float, float]:
    """Median milliseconds of a list, and its queries."""
    message = load.request("GET", path, headers)
    load.send(place.port, message, connections=1, seconds=30, most=3)
    queries = place.queries()
    result = load.send(place.port, message, connections=1, seconds=30, most=15)
    return result.median_ms, (place.queries() - queries) / len(result.seconds)


def _whole(caller: cloud.Caller, headers: dict[str, str]) -> float:
    """Milliseconds to read all, following the links."""
    began, seen, path = time.perf_counter(), 0, DETAIL
    while path:
        page = caller.get(path, headers=headers)
        seen += len(page["servers"])
        following = page.get("servers_links", [])
        path = following[0]["href"].partition(f":{caller.port}")[2] if following else ""
    if seen != MORE:
        raise RuntimeError(f"the list has {seen} servers, not {MORE}")
    return (time.perf_counter() - began) * 1000


def _at_once(caller: cloud.Caller) -> list[Figure]:
    """One request for many servers, until all are active; against so many times one alone."""
    image = cloud.image(caller)
    network = next(item["id"] for item in caller.get("/networking/v2.0/networks")["networks"] if item["name"] == "private")
    began = time.perf_counter()
    for number in range(ALONE):
        rows.order(caller, image, network)
        rows.active(caller, count=number + 1)
    alone = (time.perf_counter() - began) / ALONE
    began = time.perf_counter()
    rows.order(caller, image, network, min_count=AT_ONCE, max_count=AT_ONCE)
    accepted = time.perf_counter() - began
    rows.active(caller, count=ALONE + AT_ONCE)
    whole = time.perf_counter() - began
    return [Figure(f"{AT_ONCE} simulated servers at once, all ACTIVE", whole, "s",
                   (("before", BEFORE), (f"{AT_ONCE} times one alone", AT_ONCE * alone)), most=2),
            Figure("their order accepted", accepted, "s", (("one server ACTIVE", alone),))]
