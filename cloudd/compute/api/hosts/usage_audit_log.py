"""The log of usage audits. Metering counts from events here, so no host ever runs an audit: every period is empty, and done."""

from datetime import datetime, timedelta
from typing import Any

from cloudd.compute.api import API
from cloudd.core import clock
from cloudd.core.errors import BadRequest
from cloudd.core.http import Request
from cloudd.core.http.types import Int, List, Map, Record, Text

RULE = "os_compute_api:os-instance-usage-audit-log:{}"
NUMBERS = ("num_hosts", "num_hosts_done", "num_hosts_not_run", "num_hosts_running", "total_errors", "total_instances")
AUDITS = Record({"hosts_not_run": List(Text()), "log": Map(), **dict.fromkeys(NUMBERS, Int()),
                 **dict.fromkeys(("overall_status", "period_beginning", "period_ending"), Text())})
resource = API.resource("/os-instance_usage_audit_log")


def period(before: datetime) -> dict[str, Any]:
    """The calendar month that ended before a moment."""
    end = before.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    begin = (end - timedelta(days=1)).replace(day=1)
    return {"hosts_not_run": [], "log": {}, **dict.fromkeys(NUMBERS, 0), "overall_status": "ALL hosts done. 0 errors.",
            "period_beginning": _plain(begin), "period_ending": _plain(end)}


def _plain(moment: datetime) -> str:
    """`2026-10-01 00:00:00`: the form that this log alone has."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


@resource.get("", policy=RULE.format("list"), answer=Record({"instance_usage_audit_logs": AUDITS}))
async def index(request: Request) -> dict[str, Any]:
    """Show the last period's audits."""
    return {"instance_usage_audit_logs": period(request.context.now())}


@resource.get("/{before}", policy=RULE.format("show"), answer=Record({"instance_usage_audit_log": AUDITS}))
async def show(before: str) -> dict[str, Any]:
    """Show the audits of the period before a moment."""
    try:
        return {"instance_usage_audit_log": period(clock.parse(before))}
    except ValueError as exc:
        raise BadRequest(f"Invalid timestamp for date {before}") from exc
