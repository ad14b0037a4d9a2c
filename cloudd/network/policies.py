"""Default rules of networks, under Neutron's names and with its checks; only those of operations that are served.

A rule `VERB_resource:attribute` guards the attribute: sending it, or (get) seeing it. `get_extension` is ours: Neutron asks
nobody.
"""

from cloudd.core.policy import Rule

ADMIN = "rule:admin_only"
MEMBER = "(rule:admin_only) or (role:member and project_id:%(project_id)s)"
READER = "(rule:admin_only) or (role:reader and project_id:%(project_id)s)"
MANAGER = "(rule:admin_only) or (role:manager and project_id:%(project_id)s)"
ANYBODY = "role:reader"
SERVICE = "rule:service_api"
SERVICE_OR_ADMIN = "(rule:admin_only) or (rule:service_api)"
PORT_NETWORK_OWNER = "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner"
PAIRS = "(rule:admin_only) or (role:member and rule:network_owner) or rule:service_api"
PORT_SHARED = "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or rule:shared"
NETWORK_OWNER = "(rule:admin_only) or (role:member and rule:network_owner)"
SUBNET_OWNER = "role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and rule:network_owner)"
GROUP_OWNER = "(rule:admin_only) or (role:member and rule:sg_owner)"

BASE = (
    Rule("context_is_admin", "role:admin"),
    Rule("service_api", "role:service"),
    Rule("owner", "project_id:%(project_id)s"),
    Rule("admin_or_owner", "rule:context_is_admin or rule:owner"),
    Rule("context_is_advsvc", "role:advsvc"),
    Rule("admin_or_network_owner", "rule:context_is_admin or project_id:%(network:project_id)s"),
    Rule("admin_owner_or_network_owner", "rule:owner or rule:admin_or_network_owner"),
    Rule("network_owner", "project_id:%(network:project_id)s"),
    Rule("admin_only", "rule:context_is_admin"),
    Rule("regular_user", ""),
    Rule("shared", "field:networks:shared=True"),
    Rule("default", "rule:admin_or_owner"),
    Rule("sg_owner", "project_id:%(security_group:project_id)s"),
    Rule("shared_address_scopes", "field:address_scopes:shared=True"),
    Rule("external", "field:networks:router:external=True"),
    Rule("network_device", "field:port:device_owner=~^network:"),
    Rule("admin_or_data_plane_int", "rule:context_is_admin or role:data_plane_integrator"),
    Rule("restrict_wildcard", "(not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*) or "
         "rule:admin_only"),
    Rule("admin_or_sg_owner", "rule:context_is_admin or project_id:%(security_group:project_id)s"),
    Rule("admin_owner_or_sg_owner", "rule:owner or rule:admin_or_sg_owner"),
    Rule("shared_security_group", "field:security_groups:shared=True"),
    Rule("rule_default_sg", "field:security_group_rules:belongs_to_default_sg=True"),
    Rule("external_network", "field:subnets:router:external=True"),
    Rule("shared_subnetpools", "field:subnetpools:shared=True"),
)

OPERATIONS = {
    "get_extension": "rule:regular_user",
    "create_address_scope": MEMBER,
    "create_address_scope:shared": ADMIN,
    "get_address_scope": "rule:admin_only or role:reader and project_id:%(project_id)s or rule:shared_address_scopes",
    "update_address_scope": MEMBER,
    "update_address_scope:shared": ADMIN,
    "delete_address_scope": MEMBER,
    "create_agent": ADMIN,
    "get_agent": ADMIN,
    "update_agent": ADMIN,
    "delete_agent": ADMIN,
    "create_dhcp-network": ADMIN,
    "get_dhcp-networks": ADMIN,
    "delete_dhcp-network": ADMIN,
    "create_l3-router": ADMIN,
    "get_l3-routers": ADMIN,
    "delete_l3-router": ADMIN,
    "get_dhcp-agents": ADMIN,
    "get_l3-agents": ADMIN,
    "get_auto_allocated_topology": READER,
    "delete_auto_allocated_topology": MEMBER,
    "get_availability_zone": ANYBODY,
    "create_floatingip": MEMBER,
    "create_floatingip:floating_ip_address": MANAGER,
    "create_floatingip:tags": MEMBER,
    "get_floatingip": READER,
    "get_floatingip:tags": READER,
    "update_floatingip": MEMBER,
    "update_floatingip:tags": MEMBER,
    "delete_floatingip": MEMBER,
    "delete_floatingip:tags": MEMBER,
    "get_floatingip_pool": READER,
    "create_network": MEMBER,
    "create_network:shared": ADMIN,
    "create_network:router:external": ADMIN,
    "create_network:is_default": ADMIN,
    "create_network:port_security_enabled": MEMBER,
    "create_network:provider:network_type": ADMIN,
    "create_network:provider:physical_network": ADMIN,
    "create_network:provider:segmentation_id": ADMIN,
    "create_network:tags": MEMBER,
    "get_network": (
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:service_api or rule:shared or "
        "rule:external or rule:context_is_advsvc"),
    "get_network:provider:network_type": ADMIN,
    "get_network:provider:physical_network": ADMIN,
    "get_network:provider:segmentation_id": ADMIN,
    "get_network:tags": (
        "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared or rule:external or "
        "rule:context_is_advsvc"),
    "update_network": MEMBER,
    "update_network:shared": ADMIN,
    "update_network:provider:network_type": ADMIN,
    "update_network:provider:physical_network": ADMIN,
    "update_network:provider:segmentation_id": ADMIN,
    "update_network:router:external": ADMIN,
    "update_network:is_default": ADMIN,
    "update_network:port_security_enabled": MEMBER,
    "update_network:tags": MEMBER,
    "delete_network": MEMBER,
    "delete_network:tags": MEMBER,
    "get_network_ip_availability": SERVICE_OR_ADMIN,
    "create_port": PORT_SHARED,
    "create_port:device_id": "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:service_api",
    "create_port:device_owner": (
        "not rule:network_device or (rule:admin_only) or (rule:service_api) or role:member and rule:network_owner"),
    "create_port:mac_address": PORT_NETWORK_OWNER,
    "create_port:fixed_ips": PORT_SHARED,
    "create_port:fixed_ips:ip_address": PORT_NETWORK_OWNER,
    "create_port:fixed_ips:subnet_id": PORT_SHARED,
    "create_port:port_security_enabled": PORT_NETWORK_OWNER,
    "create_port:binding:host_id": SERVICE_OR_ADMIN,
    "create_port:binding:profile": SERVICE,
    "create_port:binding:vnic_type": "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:service_api",
    "create_port:allowed_address_pairs": PAIRS,
    "create_port:allowed_address_pairs:mac_address": PAIRS,
    "create_port:allowed_address_pairs:ip_address": PAIRS,
    "create_port:tags": "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:context_is_advsvc",
    "get_port": (
        "(rule:admin_only) or (rule:service_api) or role:reader and rule:network_owner or role:reader and "
        "project_id:%(project_id)s"),
    "get_port:binding:vif_type": SERVICE_OR_ADMIN,
    "get_port:binding:vif_details": SERVICE_OR_ADMIN,
    "get_port:binding:host_id": SERVICE_OR_ADMIN,
    "get_port:binding:profile": SERVICE_OR_ADMIN,
    "get_port:tags": (
        "rule:context_is_advsvc or (rule:admin_only) or (role:reader and rule:network_owner) or role:reader and "
        "project_id:%(project_id)s"),
    "update_port": "(rule:admin_only) or (rule:service_api) or role:member and project_id:%(project_id)s",
    "update_port:device_id": "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:service_api",
    "update_port:device_owner": (
        "not rule:network_device or (rule:admin_only) or (rule:service_api) or role:member and rule:network_owner"),
    "update_port:mac_address": "(rule:admin_only) or (rule:service_api) or role:manager and rule:network_owner",
    "update_port:fixed_ips": PORT_NETWORK_OWNER,
    "update_port:fixed_ips:ip_address": PORT_NETWORK_OWNER,
    "update_port:fixed_ips:subnet_id": PORT_SHARED,
    "update_port:port_security_enabled": PORT_NETWORK_OWNER,
    "update_port:binding:host_id": SERVICE_OR_ADMIN,
    "update_port:binding:profile": SERVICE,
    "update_port:binding:vnic_type": "(rule:admin_only) or (rule:service_api) or role:member and project_id:%(project_id)s",
    "update_port:allowed_address_pairs": PAIRS,
    "update_port:allowed_address_pairs:mac_address": PAIRS,
    "update_port:allowed_address_pairs:ip_address": PAIRS,
    "update_port:tags": "(rule:admin_only) or (role:member and project_id:%(project_id)s) or rule:context_is_advsvc",
    "delete_port": (
        "(rule:admin_only) or (rule:service_api) or role:member and rule:network_owner or role:member and "
        "project_id:%(project_id)s"),
    "delete_port:tags": (
        "rule:context_is_advsvc or role:member and project_id:%(project_id)s or (rule:admin_only) or (role:member and "
        "rule:network_owner)"),
    "get_quota": READER,                # upstream: managers; a member has every other quota of his project told already
    "update_quota": ADMIN,
    "delete_quota": ADMIN,
    "create_rbac_policy": MEMBER,
    "create_rbac_policy:target_tenant": (
        "rule:admin_only or (not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*)"),
    "create_rbac_policy:target_project": "rule:admin_only or not field:rbac_policy:target_project=*",
    "update_rbac_policy": MEMBER,
    "update_rbac_policy:target_tenant": (
        "rule:admin_only or (not field:rbac_policy:target_tenant=* and not field:rbac_policy:target_project=*)"),
    "update_rbac_policy:target_project": "rule:admin_only or not field:rbac_policy:target_project=*",
    "get_rbac_policy": READER,
    "delete_rbac_policy": MEMBER,
    "create_router": MEMBER,
    "create_router:distributed": ADMIN,
    "create_router:ha": ADMIN,
    "create_router:external_gateway_info": MEMBER,
    "create_router:external_gateway_info:network_id": MEMBER,
    "create_router:external_gateway_info:enable_snat": ADMIN,
    "create_router:external_gateway_info:external_fixed_ips": ADMIN,
    "create_router:tags": MEMBER,
    "get_router": READER,
    "get_router:distributed": ADMIN,
    "get_router:ha": ADMIN,
    "get_router:tags": READER,
    "update_router": MEMBER,
    "update_router:distributed": ADMIN,
    "update_router:ha": ADMIN,
    "update_router:external_gateway_info": MEMBER,
    "update_router:external_gateway_info:network_id": MEMBER,
    "update_router:external_gateway_info:enable_snat": ADMIN,
    "update_router:external_gateway_info:external_fixed_ips": ADMIN,
    "update_router:tags": MEMBER,
    "delete_router": MEMBER,
    "delete_router:tags": MEMBER,
    "add_router_interface": MEMBER,
    "remove_router_interface": MEMBER,
    "add_extraroutes": MEMBER,
    "remove_extraroutes": MEMBER,
    "create_security_group": MEMBER,
    "create_security_group:tags": MEMBER,
    "get_security_group": "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_security_group",
    "get_security_group:tags": "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_security_group",
    "update_security_group": MEMBER,
    "update_security_group:tags": MEMBER,
    "delete_security_group": MEMBER,
    "delete_security_group:tags": MEMBER,
    "create_security_group_rule": GROUP_OWNER,
    "get_security_group_rule": "(rule:admin_only) or (role:reader and rule:sg_owner)",
    "delete_security_group_rule": GROUP_OWNER,
    "get_service_provider": ANYBODY,
    "create_subnet": NETWORK_OWNER,
    "create_subnet:service_types": ADMIN,
    "create_subnet:tags": SUBNET_OWNER,
    "get_subnet": (
        "role:reader and project_id:%(project_id)s or rule:shared or rule:external_network or (rule:admin_only) or "
        "(role:reader and rule:network_owner) or rule:service_api"),
    "get_subnet:tags": (
        "role:reader and project_id:%(project_id)s or rule:shared or rule:external_network or (rule:admin_only) or "
        "(role:reader and rule:network_owner)"),
    "update_subnet": SUBNET_OWNER,
    "update_subnet:service_types": ADMIN,
    "update_subnet:tags": SUBNET_OWNER,
    "delete_subnet": SUBNET_OWNER,
    "delete_subnet:tags": SUBNET_OWNER,
    "create_subnetpool": MEMBER,
    "create_subnetpool:shared": ADMIN,
    "create_subnetpool:is_default": ADMIN,
    "create_subnetpool:tags": MEMBER,
    "get_subnetpool": "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_subnetpools",
    "get_subnetpool:tags": "(rule:admin_only) or (role:reader and project_id:%(project_id)s) or rule:shared_subnetpools",
    "update_subnetpool": MEMBER,
    "update_subnetpool:is_default": ADMIN,
    "update_subnetpool:tags": MEMBER,
    "delete_subnetpool": MEMBER,
    "delete_subnetpool:tags": MEMBER,
    "add_prefixes": MEMBER,
    "remove_prefixes": MEMBER,
}

POLICIES = (*BASE, *(Rule(name, check, ("project",)) for name, check in OPERATIONS.items()))
