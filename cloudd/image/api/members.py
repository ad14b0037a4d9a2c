"""Sharing: which projects an image is shared with, and what they answered."""

from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.core.errors import Conflict, Forbidden, NotFound
from cloudd.core.http import Field, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.shapes import part
from cloudd.image import images, limits
from cloudd.image.api import API, STAMPS, target
from cloudd.image.models import Image, ImageMember

STATUSES = ("pending", "accepted", "rejected")
NEW = Shape(None, Field("member", t.Text(1, 36), required=True), extra=True)
STATUS = Shape(None, Field("status", t.Enum(*STATUSES), required=True), extra=True)
MEMBER = Shape(None, Field("member_id", t.Text()), Field("image_id", t.Text()), Field("status", t.Enum(*STATUSES)), *STAMPS,
               Field("schema", t.Text(), of=lambda row, request: "/v2/schemas/member"))
LIST = t.Record({"members": t.List(part(MEMBER)), "schema": t.Text()})
MEMBERS = API.resource("/images/{image}/members", target=target)


async def _find(request: Request, tx: AsyncSession, image: Image, member_id: str) -> ImageMember:
    member = await tx.get(ImageMember, (image.id, member_id))
    mine = request.context.is_admin or request.context.project_id in (image.project_id, member_id)
    if member is None or not mine:
        raise NotFound(f"{member_id} not found in the member list of the image {image.id}.", type="MemberNotFound")
    return member


@MEMBERS.get(policy="get_members", answer=LIST)
async def index(request: Request, tx: Any, image: Image) -> dict[str, Any]:
    """List the members: all for the owner, himself for a member."""
    if image.visibility != "shared":
        raise Forbidden("Only shared images have members.", type="Forbidden")
    rows = await images.members_of(tx, image)
    if not request.context.is_admin and request.context.project_id != image.project_id:
        rows = [row for row in rows if row.member_id == request.context.project_id]
    return {"members": [MEMBER.view(row, request) for row in rows], "schema": "/v2/schemas/members"}


@MEMBERS.post(policy="add_member", body=NEW, reply=MEMBER)
async def create(request: Request, tx: Any, image: Image, body: dict[str, Any]) -> ImageMember:
    """Share an image with a project."""
    if image.visibility != "shared":
        raise Forbidden(f"Only shared images have members; image {image.id} is {image.visibility}.", type="Forbidden")
    if await tx.get(ImageMember, (image.id, body["member"])) is not None:
        raise Conflict(f"The target member {body['member']} is already associated with image {image.id}.", type="Duplicate")
    limits.members(request.settings, len(await images.members_of(tx, image)) + 1)
    moment = request.context.now()
    member = ImageMember(image_id=image.id, member_id=body["member"], status="pending", created_at=moment, updated_at=moment)
    tx.add(member)
    await tx.flush()
    await images.tell(tx, request.context, image, "image.member.create")
    return member


@MEMBERS.get("/{member_id}", policy="get_member", reply=MEMBER)
async def show(request: Request, tx: Any, image: Image, member_id: str) -> ImageMember:
    """Show one member."""
    return await _find(request, tx, image, member_id)


@MEMBERS.put("/{member_id}", policy="modify_member", body=STATUS, use="create", reply=MEMBER,
             target=lambda request: {"member_id": request.path["member_id"], "project_id": request.path["member_id"]})
async def update(request: Request, tx: Any, image: Image, member_id: str, body: dict[str, Any]) -> ImageMember:
    """Accept, reject or put off an image that was shared with the caller."""
    member = await _find(request, tx, image, member_id)
    member.status, member.updated_at = body["status"], request.context.now()
    await tx.flush()
    await images.tell(tx, request.context, image, "image.member.update")
    return member


@MEMBERS.delete("/{member_id}", policy="delete_member")
async def delete(request: Request, tx: Any, image: Image, member_id: str) -> None:
    """Share no longer."""
    await tx.delete(await _find(request, tx, image, member_id))
    await tx.flush()
    await images.tell(tx, request.context, image, "image.member.delete")
