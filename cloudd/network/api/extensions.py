"""/extensions: what of Neutron is served, under its aliases."""

from cloudd.core.errors import NotFound
from cloudd.core.http import Field, Shape
from cloudd.core.http import types as t
from cloudd.core.http.dialects import LINKS
from cloudd.network.api import API
from cloudd.network.api.shapes import TEXT

UPDATED = "2024-10-02T10:00:00-00:00"
SERVED = (
    ("address-scope", "Address scope", "Address scopes"),
    ("agent", "agent", "Agent list, show, update, delete"),
    ("allowed-address-pairs", "Allowed Address Pairs", "Extra source addresses allowed on a port"),
    ("auto-allocated-topology", "Auto Allocated Topology Services", "One-call default network topology"),
    ("availability_zone", "Availability Zone", "Agent availability zones"),
    ("binding", "Port Binding", "Port binding host, vnic type, vif details"),
    ("default-subnetpools", "Default Subnetpools", "is_default on subnet pools"),
    ("dhcp_agent_scheduler", "DHCP Agent Scheduler", "Place networks on DHCP agents"),
    ("dns-domain-ports", "dns_domain for ports", "dns_domain on ports"),
    ("dns-integration", "DNS Integration", "dns_name and dns_assignment on ports"),
    ("empty-string-filtering", "Empty String Filtering Extension", "Empty string value as list filter"),
    ("ext-gw-mode", "Neutron L3 Configurable external gateway mode", "enable_snat inside external_gateway_info"),
    ("external-net", "Neutron external network", "router:external on networks"),
    ("extra_dhcp_opt", "Neutron Extra DHCP options", "Per-port DHCP options"),
    ("extraroute", "Neutron Extra Route", "routes on routers"),
    ("extraroute-atomic", "Atomically add/remove extra routes", "Atomic add_extraroutes and remove_extraroutes"),
    ("filter-validation", "Filter parameters validation", "Unknown list filters answer 400"),
    ("fip-port-details", "Floating IP Port Details Extension", "port_details on floating IPs"),
    ("floatingip-pools", "Floating IP Pools Extension", "List floating IP pools"),
    ("ip-substring-filtering", "IP address substring filtering", "Filter ports by ip_address_substr"),
    ("ip_allocation", "IP Allocation", "ip_allocation on ports"),
    ("l2_adjacency", "L2 Adjacency", "l2_adjacency on networks"),
    ("l3_agent_scheduler", "L3 Agent Scheduler", "Place routers on L3 agents"),
    ("net-mtu", "Network MTU", "mtu shown on networks"),
    ("net-mtu-writable", "Network MTU (writable)", "mtu settable on networks"),
    ("network-ip-availability", "Network IP Availability", "IP use per network"),
    ("network_availability_zone", "Network Availability Zone", "AZ hints on networks"),
    ("pagination", "Pagination support", "limit, marker, links in lists"),
    ("port-mac-address-regenerate", "Neutron Port MAC address regenerate", "Null mac_address regenerates it"),
    ("port-security", "Port Security", "port_security_enabled on networks and ports"),
    ("port-security-groups-filtering", "Port filtering on security groups", "Port filtering on security groups"),
    ("project-id", "project_id field enabled", "project_id beside tenant_id"),
    ("provider", "Provider Network", "provider network type, physical network, segmentation id"),
    ("quota-check-limit", "Quota engine limit check", "check_limit on quota update"),
    ("quota_details", "Quota details management support", "Quota limit, used, reserved per resource"),
    ("quotas", "Quota management support", "Project quotas"),
    ("rbac-address-scope", "Add address_scope type to RBAC", "Share address scopes by RBAC"),
    ("rbac-policies", "RBAC Policies", "Sharing rules for networks and more"),
    ("rbac-security-groups", "Add security_group type to network RBAC", "Share security groups by RBAC"),
    ("rbac-subnetpool", "Add subnetpool type to RBAC", "Share subnet pools by RBAC"),
    ("revision-if-match", "If-Match constraints based on revision_number", "If-Match: revision_number=N on writes"),
    ("router", "Neutron L3 Router", "Routers, router interfaces, floating IPs"),
    ("router_availability_zone", "Router Availability Zone", "AZ hints on routers"),
    ("security-group", "security-group", "Security groups and rules, port security_groups"),
    ("security-groups-normalized-cidr", "Normalized CIDR field for security group rules", "normalized_cidr on rules"),
    ("security-groups-rules-belongs-to-default-sg", "Security group rule belongs to the project's default security group",
     "belongs_to_default_sg on security_group_rules"),
    ("security-groups-shared-filtering", "Security group filtering on the shared field", "shared filter on security groups"),
    ("service-type", "Neutron Service Type Management", "List service providers"),
    ("sort-key-validation", "Sort keys validation", "Sort keys validation"),
    ("sorting", "Sorting support", "sort_key and sort_dir"),
    ("standard-attr-description", "standard-attr-description", "description on standard resources"),
    ("standard-attr-revisions", "Resource revision numbers", "revision_number"),
    ("standard-attr-tag", "Tag support for resources with standard attribute", "Tags on every standard-attribute resource"),
    ("standard-attr-timestamp", "Resource timestamps", "created_at and updated_at"),
    ("stateful-security-group", "Stateful security group", "stateful flag on security groups"),
    ("subnet-dns-publish-fixed-ip", "Subnet DNS publish fixed IP", "dns_publish_fixed_ip on subnets"),
    ("subnet-external-network", "Subnet belongs to an external network", "router:external on subnets"),
    ("subnet-service-types", "Subnet service types", "service_types on subnets"),
    ("subnet_allocation", "Subnet Allocation", "Subnet pools and allocation from them"),
    ("subnetpool-prefix-ops", "Subnet Pool Prefix Operations", "Add and remove subnet pool prefixes"),
    ("tag-creation", "Tag creation extension", "Tag creation extension"),
)
EXTENSIONS = {alias: {"alias": alias, "name": name, "description": words, "updated": UPDATED, "links": []}
              for alias, name, words in SERVED}
EXTENSION = Shape("extension", *(Field(name, TEXT) for name in ("alias", "name", "description", "updated")),
                  Field("links", t.Raw(LINKS)))
extensions = API.resource("/extensions", policy="get_extension", answer=EXTENSION)


@extensions.get("")
async def index(request):
    """List the extensions."""
    return {"extensions": list(EXTENSIONS.values())}


@extensions.get("/{alias}")
async def show(request, alias):
    """Show an extension."""
    if alias not in EXTENSIONS:
        raise NotFound(f"Extension with alias {alias} does not exist", type="HTTPNotFound")
    return {"extension": EXTENSIONS[alias]}
