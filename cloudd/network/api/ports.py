"""/ports"""

import ipaddress

from sqlalchemy import and_, false, or_

from cloudd.core.errors import BadRequest
from cloudd.core.http import Field
from cloudd.core.http import types as t
from cloudd.network import standard
from cloudd.network.api.collections import Logic, collection
from cloudd.network.api.conversions import MAC_OR_NULL, MOST, ONE_LINE, Emptied, Map
from cloudd.network.api.conversions import Text as EmptiedText
from cloudd.network.api.shapes import BOOL, IP, TEXT, UUID, NeutronShape, standard_fields
from cloudd.network.api.subnets import network_of
from cloudd.network.config import CONFIG
from cloudd.network.models import Allocation, Port, PortGroup
from cloudd.network.ports import ports
from cloudd.network.ports import removal as port_removal

VNIC_TYPES = ("normal", "direct", "macvtap", "baremetal", "direct-physical", "virtio-forwarder", "smart-nic", "remote-managed",
              "vdpa", "accelerator-direct", "accelerator-direct-physical")
FIXED_IP = t.Obj({"subnet_id": UUID, "ip_address": IP})
ADDRESS_OR_CIDR = t.Raw({"type": "string", "anyOf": [{"format": "ip-address"}, {"format": "cidr"}]})
PAIR = t.Obj({"ip_address": ADDRESS_OR_CIDR, "mac_address": MAC_OR_NULL}, ("ip_address",))
DHCP_OPTION = t.Obj({"opt_name": t.Text(1, 64, pattern=ONE_LINE), "opt_value": t.Text(1, 255, pattern=ONE_LINE, null=True),
                     "ip_version": t.Raw({"enum": [4, 6, "4", "6"]}, int)}, ("opt_name", "opt_value"))
DNS_LABEL = t.Text(0, 255, pattern="^([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\\.?)*$")
DNS_NAME = t.Record({"ip_address": IP, "hostname": TEXT, "fqdn": TEXT})
FILTERS_OF_ADDRESSES = ("ip_address", "subnet_id", "ip_address_substr")


def vif_type(row, request):
    if not row.host_id:
        return "unbound"
    return "binding_failed" if row.status == "ERROR" else "bridge"


def vif_details(row, request):
    return {"port_filter": True, "connectivity": "l2"} if row.host_id else {}


def assignment(row, request):
    """The names that each address answers to in the network's DNS."""
    domain = CONFIG.dns_domain if CONFIG.dns_domain.endswith(".") else f"{CONFIG.dns_domain}."
    names = []
    for one in row.fixed_ips:
        host = row.dns_name or f"host-{one.ip_address.replace('.', '-').replace(':', '-')}"
        names.append({"ip_address": one.ip_address, "hostname": host, "fqdn": f"{host}.{domain}"})
    return names


PORT = NeutronShape(
    "port",
    *standard_fields(),
    Field("network_id", UUID, required=True, update=False),
    Field("mac_address", MAC_OR_NULL),
    Field("fixed_ips", t.List(FIXED_IP, 0, MOST),
          of=lambda row, request: [{"subnet_id": one.subnet_id, "ip_address": one.ip_address} for one in row.fixed_ips]),
    Field("admin_state_up", BOOL, default=True),
    Field("status", TEXT, readonly=True),
    Field("device_id", TEXT, default=""),
    Field("device_owner", TEXT, default=""),
    Field("security_groups", t.List(UUID, 0, MOST, null=True)),
    Field("port_security_enabled", BOOL),
    Field("allowed_address_pairs", Emptied(PAIR, MOST)),
    Field("extra_dhcp_opts", t.List(DHCP_OPTION, 0, MOST, null=True)),
    Field("dns_name", DNS_LABEL, default=""),
    Field("dns_domain", TEXT, default=""),
    Field("dns_assignment", t.List(DNS_NAME), readonly=True, of=assignment),
    Field("binding:host_id", EmptiedText(), column="host_id"),
    Field("binding:vnic_type", t.Enum(*VNIC_TYPES), default="normal", column="vnic_type"),
    Field("binding:profile", Map(), column="profile"),
    Field("binding:vif_type", TEXT, readonly=True, of=vif_type),
    Field("binding:vif_details", t.Map(), readonly=True, of=vif_details),
    Field("ip_allocation", TEXT, readonly=True, of=lambda row, request: "immediate"),
)


def by_address(values):
    """`fixed_ips=ip_address=X`, `=subnet_id=X`, `=ip_address_substr=X`: of one kind any, of different kinds all."""
    kinds: dict[str, list[str]] = {}
    for value in values:
        kind, equals, wanted = value.partition("=")
        if not equals or kind not in FILTERS_OF_ADDRESSES:
            raise BadRequest(f"Invalid filter fixed_ips={value}: use {', '.join(FILTERS_OF_ADDRESSES)}.",
                             type="HTTPBadRequest")
        kinds.setdefault(kind, []).append(wanted)
    clauses = [Port.fixed_ips.any(_addresses(kind, wanted)) for kind, wanted in kinds.items()]
    return and_(*clauses) if clauses else false()


def _addresses(kind, wanted):
    if kind == "subnet_id":
        return Allocation.subnet_id.in_(wanted)
    if kind == "ip_address":
        return Allocation.ip_address.in_([_canonical(text) for text in wanted])
    return or_(*(Allocation.ip_address.contains(text, autoescape=True) for text in wanted))


def _canonical(text):
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return text


def by_group(values):
    return Port.group_rows.any(PortGroup.group_id.in_(values))


PORTS = collection("/ports", Port, PORT, Logic(ports.create, ports.update, port_removal.delete), visible=standard.ports_of,
                   parent=network_of, filters={"fixed_ips": by_address, "security_groups": by_group})
