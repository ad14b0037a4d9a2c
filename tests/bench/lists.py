"""Small lists: what one GET costs in processor time, against aiohttp that answers the same bytes."""

import json

from tests.bench import bare, cloud, load
from tests.bench.figures import Figure

SECONDS = 2.0
CONNECTIONS = 4
LISTS = (("7 flavors", "/compute/v2.1/flavors/detail"), ("networks", "/networking/v2.0/networks"),
         ("ports", "/networking/v2.0/ports"), ("security groups", "/networking/v2.0/security-groups"),
         ("an image", "/image/v2/images"), ("projects of the user", "/identity/v3/auth/projects"),
         ("a key pair", "/compute/v2.1/os-keypairs"), ("the catalog", "/identity/v3/auth/catalog"),
         ("the version document", "/identity/v3"))
AIM_MS = 2


def figures(full: bool) -> list[Figure]:
    found = []
    with cloud.new() as place, place.serving() as daemon:
        place.fill()
        caller = place.caller("demo")
        cloud.image(caller)
        for name, path in LISTS:
            content = json.dumps(caller.get(path), separators=(",", ":")).encode()
            message = load.request("GET", path, {"X-Auth-Token": caller.token})
            load.send(place.port, message, connections=CONNECTIONS, seconds=0.3)
            queries, before = place.queries(), daemon.spent()
            result = load.send(place.port, message, connections=CONNECTIONS, seconds=SECONDS)
            cpu = daemon.spent().since(before).cpu * 1000 / len(result.seconds)
            asked = round((place.queries() - queries) / len(result.seconds))
            found.append((name, path, content, cpu, asked))
        peer = bare.measured(found[0][2], load.request("GET", "/"), CONNECTIONS, SECONDS)[1]
    return [Figure(f"processor for {name} ({path}, {asked} queries)", cpu, "ms", (("bare aiohttp", peer),), most=AIM_MS)
            for name, path, _, cpu, asked in found]
