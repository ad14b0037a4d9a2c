"""/OS-REVOKE/events: which tokens are void, for services that check tokens by themselves."""

from sqlalchemy import select

from cloudd.core import clock
from cloudd.core.errors import BadRequest
from cloudd.core.http import types as t
from cloudd.core.http.shapes import queried
from cloudd.identity.api import API, PAGE
from cloudd.identity.models import Revocation

NAMES = {"audit": "audit_id", "chain": "audit_chain_id", "user": "user_id", "project": "project_id", "domain": "domain_id"}
EVENT = t.Record({**dict.fromkeys(NAMES.values(), t.Text()), "issued_before": t.Text()}, tuple(NAMES.values()))
EVENTS = t.Record({"events": t.List(EVENT), "links": PAGE})


@API.resource("/OS-REVOKE").get("/events", policy="identity:list_revoke_events", answer=EVENTS, query=queried("since"))
async def events(request, tx):
    """The revocations that still matter; with `since` the later ones."""
    query = select(Revocation).order_by(Revocation.serial)
    if since := request.query.get("since"):
        try:
            query = query.where(Revocation.issued_before >= clock.parse(since))
        except ValueError as exc:
            raise BadRequest(f"Invalid since '{since}': it must be an ISO 8601 time.") from exc
    rows = (await tx.execute(query)).scalars()
    found = [{NAMES[row.kind]: row.value, "issued_before": clock.iso_micro(row.issued_before)} for row in rows]
    return {"events": found, "links": {"self": request.link("/OS-REVOKE/events"), "next": None, "previous": None}}
