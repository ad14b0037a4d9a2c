"""/{resource}/{id}/tags of every standard resource"""

from typing import Any

from cloudd.core.errors import BadRequest, NotFound
from cloudd.core.http import Field, Reply, Shape
from cloudd.core.http import types as t
from cloudd.network import standard
from cloudd.network.api import API
from cloudd.network.api.collections import check_revision
from cloudd.network.api.shapes import TAGS

TAGGED = {"networks": "network", "subnets": "subnet", "ports": "port", "routers": "router", "floatingips": "floatingip",
          "security-groups": "security_group", "subnetpools": "subnetpool"}
MOST, LONGEST = 50, 255
REPLACE = Shape(None, Field("tags", TAGS, required=True))
CREATE = Shape(None, Field("tags", t.List(t.Text(1, LONGEST, pattern="^[^,/]*$"), 1, MOST), required=True))


def declare(path: str, name: str) -> None:
    """The tags of one kind of resource."""
    resource = API.resource(f"/{path}/{{{name}}}/tags")

    def row(request: Any) -> Any:
        return request.loaded[name]

    async def change(request: Any, tx: Any, tags: list[str]) -> dict[str, list[str]]:
        check_revision(request, row(request))
        if len(set(tags)) > MOST:
            raise BadRequest(f"A resource has at most {MOST} tags.", type="HTTPBadRequest")
        standard.set_tags(row(request), tags)
        standard.touch(request.context, row(request))
        await tx.flush()
        return {"tags": row(request).tags}

    @resource.get("", policy=f"get_{name}")
    async def index(request, tx):
        """List the tags of a resource."""
        return {"tags": row(request).tags}

    @resource.put("", policy=f"update_{name}", body=REPLACE)
    async def replace(request, tx, body):
        """Replace all tags of a resource."""
        return await change(request, tx, body["tags"])

    @resource.post("", policy=f"update_{name}", body=CREATE)
    async def add_many(request, tx, body):
        """Add tags to a resource."""
        return await change(request, tx, [*row(request).tags, *body["tags"]])

    @resource.delete("", policy=f"update_{name}")
    async def clear(request, tx):
        """Take all tags off a resource."""
        await change(request, tx, [])

    @resource.get("/{tag}", policy=f"get_{name}", status=204)
    async def show(request, tx, tag):
        """Tell whether a resource has a tag."""
        require(request, tag)

    @resource.put("/{tag}", policy=f"update_{name}", status=201)
    async def add(request, tx, tag):
        """Add a tag to a resource."""
        if not tag or len(tag) > LONGEST or "," in tag:
            raise BadRequest(f"Invalid tag '{tag[:60]}': 1 to {LONGEST} characters without a comma.", type="HTTPBadRequest")
        if tag not in row(request).tags:
            await change(request, tx, [*row(request).tags, tag])
        return Reply()

    @resource.delete("/{tag}", policy=f"update_{name}")
    async def remove(request, tx, tag):
        """Take a tag off a resource."""
        require(request, tag)
        await change(request, tx, [one for one in row(request).tags if one != tag])

    def require(request: Any, tag: str) -> None:
        if tag not in row(request).tags:
            raise NotFound(f"Tag {tag} could not be found.", type="TagNotFound")


for where, singular in TAGGED.items():
    declare(where, singular)
