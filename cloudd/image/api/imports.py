"""Staged upload, import, tasks, stores: the ways in that are not a plain upload."""

from typing import Any

from sqlalchemy import select

from cloudd import identity
from cloudd.core import clock
from cloudd.core.errors import BadRequest, Conflict, NotFound, UnsupportedMedia
from cloudd.core.http import Field, Page, Reply, Request, Shape
from cloudd.core.http import types as t
from cloudd.core.http.lists import Listing
from cloudd.core.http.shapes import UNSET, part
from cloudd.drivers.store.base import Store
from cloudd.image import data, images, imports, limits, quotas, states
from cloudd.image.api import API, STAMPS, target
from cloudd.image.api.data import PIECE, STORE_HEADER
from cloudd.image.api.images import IMAGE
from cloudd.image.models import Image, ImageTask
from cloudd.image.progress import Progress
from cloudd.image.stores import Stores

IMPORT = Shape(None, Field("method", t.Obj({"name": t.Text(1, 64), "uri": t.Text(1, 2048), "glance_image_id": t.Text(0, 64),
                                            "glance_region": t.Text(0, 255), "glance_service_interface": t.Text(0, 32)}, ("name",)),
                           required=True),
               Field("stores", t.List(t.Text(1, 64))), Field("all_stores", t.Bool(text=True)),
               Field("all_stores_must_succeed", t.Bool(text=True)), extra=True)
BRIEF = Shape(None, *(Field(name, t.Text()) for name in ("id", "type", "status")), Field("owner", t.Text(null=True), of="project_id"),
              *STAMPS, Field("self", t.Text(), of=lambda row, request: f"/v2/tasks/{row.id}"),
              Field("schema", t.Text(), of=lambda row, request: "/v2/schemas/task"),
              Field("expires_at", t.Text(), sometimes=True, of=lambda row, request: clock.iso(row.expires_at) or UNSET), plural="tasks")


def _message(row: ImageTask, request: Request) -> str:
    """What is said of a task; of one at work, how far it is."""
    words = request.service(Progress).words(row.image_id or "") if row.status == "processing" else None
    return row.message or words or ""


WHOLE = Shape(None, *BRIEF.fields, *(Field(name, t.Text(null=True)) for name in ("image_id", "request_id", "user_id")),
              Field("input", t.Map(null=True)), Field("result", t.Map(null=True)), Field("message", t.Text(), of=_message))
TASKS_OF_IMAGE = t.Record({"tasks": t.List(part(WHOLE))})
USAGE = t.Record({"usage": t.Map(t.Record({"usage": t.Int(), "limit": t.Int()}))})


@API.resource("/images/{image}/stage", target=target, stream=True).put(policy="modify_image", status=204)
async def stage(request: Request, image: Image) -> None:
    """Send data to be imported later."""
    if request.raw.content_type != "application/octet-stream":
        raise UnsupportedMedia(f"The content type {request.raw.content_type} is not served here: send application/octet-stream.")
    if image.status != states.QUEUED:
        raise Conflict(f"Image status transition from {image.status} to uploading is not allowed.", type="InvalidImageStatusTransition")
    await data.stage(request.parts, request.context, image, request.raw.content.iter_chunked(PIECE),
                     request.settings.image.max_image_size, request.raw.content_length)


@API.resource("/images/{image}/import", target=target).post(policy="get_image", body=IMPORT, status=202)
async def begin(request: Request, tx: Any, image: Image, body: dict[str, Any]) -> Reply:
    """Import an image's data by one of the methods of /info/import."""
    where = _stores_asked(request, body)
    await quotas.require(tx, request.context, request.settings.server.region, image_size_total=0)
    if body["method"]["name"] == "copy-image":
        request.require("copy_image", target(request))
        task = await imports.begin_copy(tx, request.context, image, body, where)
    else:
        request.require("modify_image", target(request))
        body["method"].setdefault("glance_service_interface", "public")
        task = await imports.begin(tx, request.context, image, body, where, request.settings.image.import_hosts,
                                   await _other_glance(request, body["method"]))
        if body["method"]["name"] == "glance-download":
            request.service(imports.Tokens).of[task.id] = _token(request)
    return Reply(None, headers={"OpenStack-image-import-task": task.id} if task else {})


def _token(request: Request) -> str:
    """The caller's token, which the other Glance is shown. Raises BadRequest: a call from within the daemon has none."""
    if (token := request.raw.headers.get("X-Auth-Token")) is None:
        raise BadRequest("The method glance-download needs the caller's own token.")
    return token


async def _other_glance(request: Request, method: dict[str, Any]) -> str | None:
    """The endpoint that glance-download names by region and interface; None where there is none, which the task will tell."""
    if method["name"] != "glance-download" or not isinstance(method.get("glance_region"), str):
        return None
    return await identity.endpoint(request.parts, request.context, "image", method["glance_region"],
                                   method["glance_service_interface"], request.base_url)


def _stores_asked(request: Request, body: dict[str, Any]) -> list[str]:
    """The stores that an import is to fill: those of the body, all, the header's one, or the default one."""
    stores, header = request.service(Stores), request.raw.headers.get(STORE_HEADER)
    if (body.get("all_stores") or body.get("stores") is not None) and header:
        raise BadRequest(f"The header {STORE_HEADER} cannot stand beside stores or all_stores.")
    if body.get("all_stores"):
        if "stores" in body:
            raise BadRequest("all_stores and stores exclude each other.")
        return stores.writable_names()
    asked = list(dict.fromkeys(body.get("stores") or [header or request.driver(Store).name]))
    return [stores.writable(name).name for name in asked]


@API.resource("/images/{image}/tasks", target=target).get(policy="get_image", answer=TASKS_OF_IMAGE)
async def tasks_of_image(request: Request, tx: Any, image: Image) -> dict[str, Any]:
    """List the tasks that worked on an image."""
    query = select(ImageTask).where(ImageTask.image_id == image.id).order_by(ImageTask.created_at.desc())
    return {"tasks": [WHOLE.view(row, request) for row in (await tx.execute(query)).scalars()]}


STATUSES = ("pending", "processing", "success", "failure")
TYPES = ("import", "api_image_import", "location_import")
TASKS = Listing(ImageTask, {"type": ImageTask.type, "status": ImageTask.status},
                {name: getattr(ImageTask, name) for name in ("type", "status", "created_at", "updated_at", "expires_at", "id")},
                (("created_at", "desc"), ("id", "desc")))


@API.resource("/tasks").get(policy="tasks_api_access", reply=BRIEF, listing=TASKS)
async def tasks(request: Request, tx: Any) -> Page:
    """List the tasks."""
    for name, known in (("status", STATUSES), ("type", TYPES)):
        if request.query.get(name, known[0]) not in known:
            raise BadRequest(f"Invalid {name} value: {request.query[name]}. It is one of {', '.join(known)}.")
    return await TASKS.page(request, tx, select(ImageTask))


@API.resource("/tasks").get("/{task_id}", policy="tasks_api_access", reply=WHOLE)
async def task(tx: Any, task_id: str) -> ImageTask:
    """Show a task."""
    row = await tx.get(ImageTask, task_id)
    if row is None:
        raise NotFound(f"No task found with ID {task_id}", type="TaskNotFound")
    return row


TASK = Shape(None, Field("type", t.Enum("import"), required=True),
             Field("input", t.Obj({"import_from": t.Text(1, 2048), "import_from_format": t.Text(0, 32),
                                   "image_properties": t.Map()}, ("import_from", "import_from_format", "image_properties")), required=True))


@API.resource("/tasks").post(policy="tasks_api_access", body=TASK, reply=WHOLE, status=201)
async def create_task(request: Request, tx: Any, body: dict[str, Any]) -> Reply:
    """Make an image from what lies at an address, in one; the way of before /import."""
    asked, settings = body["input"], request.settings
    members = asked["image_properties"] or {"disk_format": "qcow2", "container_format": "bare"}
    await quotas.require(tx, request.context, settings.server.region, image_size_total=0, image_count_total=1)
    values = IMAGE.read(members, request.version)
    limits.tags(settings, values.get("tags", []))
    image = await images.create(tx, request.context, values)
    limits.properties(settings, image.properties)
    asked_import = {"method": {"name": "web-download", "uri": asked["import_from"]}, "input": asked}
    task = await imports.begin(tx, request.context, image, asked_import, [request.driver(Store).name], settings.image.import_hosts,
                               kind="import")
    return Reply(task, headers={"Location": request.link(f"/tasks/{task.id}")})


@API.resource("/info/usage").get(policy="get_images", answer=USAGE)
async def usage(request: Request, tx: Any) -> dict[str, Any]:
    """Say what the caller's project uses of what is limited; nothing is, unless limits are registered."""
    return {"usage": await quotas.usage(tx, request.context.project_id or "", request.settings.server.region)}
