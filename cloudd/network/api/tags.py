"""/{resource}/{id}/tags of every standard resource"""

from dataclasses import dataclass
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
SENT = Shape(None, Field("tags", TAGS, required=True))
ALL = t.Record({"tags": TAGS})


@dataclass(frozen=True)
class Tags:
    """The operations on the tags of one kind of resource, by the name under which its row is loaded."""

    name: str

    def row(self, request: Any) -> Any:
        return request.loaded[self.name]

    async def _change(self, request: Any, tx: Any, tags: list[str]) -> dict[str, list[str]]:
        row = self.row(request)
        check_revision(request, row)
        if len(set(tags)) > MOST:
            raise BadRequest(f"A resource has at most {MOST} tags.", type="HTTPBadRequest")
        standard.set_tags(row, tags)
        standard.touch(request.context, row)
        await tx.flush()
        return {"tags": row.tags}

    def _require(self, request: Any, tag: str) -> None:
        if tag not in self.row(request).tags:
            raise NotFound(f"Tag {tag} could not be found.", type="TagNotFound")

    async def index(self, request: Any) -> dict[str, list[str]]:
        """List the tags of a resource."""
        return {"tags": self.row(request).tags}

    async def replace(self, request: Any, tx: Any, body: Any) -> dict[str, list[str]]:
        """Replace all tags of a resource."""
        return await self._change(request, tx, body["tags"])

    async def add_many(self, request: Any, tx: Any, body: Any) -> dict[str, list[str]]:
        """Add tags to a resource."""
        return await self._change(request, tx, [*self.row(request).tags, *body["tags"]])

    async def clear(self, request: Any, tx: Any) -> None:
        """Take all tags off a resource."""
        await self._change(request, tx, [])

    async def show(self, request: Any, tag: str) -> None:
        """Tell whether a resource has a tag."""
        self._require(request, tag)

    async def add(self, request: Any, tx: Any, tag: str) -> Reply:
        """Add a tag to a resource."""
        if not tag or len(tag) > LONGEST or "," in tag:
            raise BadRequest(f"Invalid tag '{tag[:60]}': 1 to {LONGEST} characters without a comma.", type="HTTPBadRequest")
        if tag not in self.row(request).tags:
            await self._change(request, tx, [*self.row(request).tags, tag])
        return Reply()

    async def remove(self, request: Any, tx: Any, tag: str) -> None:
        """Take a tag off a resource."""
        self._require(request, tag)
        await self._change(request, tx, [one for one in self.row(request).tags if one != tag])

    def declare(self, path: str) -> None:
        resource = API.resource(f"/{path}/{{{self.name}}}/tags")
        see, change = f"get_{self.name}", f"update_{self.name}"
        resource.get("", policy=see, answer=ALL)(self.index)
        resource.put("", policy=change, body=SENT, use="create", answer=ALL)(self.replace)
        resource.post("", policy=change, body=SENT, answer=ALL)(self.add_many)
        resource.delete("", policy=change)(self.clear)
        resource.get("/{tag}", policy=see, status=204)(self.show)
        resource.put("/{tag}", policy=change, status=201, answer=t.NOTHING)(self.add)
        resource.delete("/{tag}", policy=change)(self.remove)


for where, singular in TAGGED.items():
    Tags(singular).declare(where)
