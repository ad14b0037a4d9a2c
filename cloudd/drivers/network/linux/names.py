"""Names of everything that we make in the kernel, short enough for it and told apart by cloud."""

import hashlib
import re
from dataclasses import dataclass

PREFIX = "cloudd"


def short_cloud(cloud_id: str) -> str:
    """Eight characters for a cloud: a UUID's first ones, a short plain name itself, else a hash."""
    plain = re.sub(r"[^a-z0-9]", "", cloud_id.lower())
    if re.fullmatch(r"[0-9a-f]{32}", plain) or plain == cloud_id and len(plain) <= 8:
        return plain[:8]
    return hashlib.sha256(cloud_id.encode()).hexdigest()[:8]


def hexid(subject_id: str) -> str:
    """An id as part of an nftables name."""
    return re.sub(r"[^0-9A-Za-z]", "", subject_id)


@dataclass(frozen=True)
class Names:
    cloud: str                                       # see short_cloud

    def bridge(self, network_id: str) -> str:
        return f"br-{network_id[:11]}"

    def dhcp_namespace(self, network_id: str) -> str:
        return f"cldd-{self.cloud}-{network_id}"

    def router_namespace(self, router_id: str) -> str:
        return f"cldr-{self.cloud}-{router_id}"

    def namespace_owner(self, namespace: str) -> tuple[str, str] | None:
        """("dhcp" | "router", id) of one of our namespaces."""
        for kind, prefix in (("dhcp", f"cldd-{self.cloud}-"), ("router", f"cldr-{self.cloud}-")):
            if namespace.startswith(prefix):
                return kind, namespace.removeprefix(prefix)
        return None

    def alias(self, kind: str, subject_id: str) -> str:
        return f"{PREFIX}:{self.cloud}:{kind}:{subject_id}"

    def alias_owner(self, alias: str) -> tuple[str, str] | None:
        """(kind, id) when the alias is one of this cloud's."""
        parts = alias.split(":", 3)
        if len(parts) != 4 or parts[:2] != [PREFIX, self.cloud]:
            return None
        return parts[2], parts[3]

    @property
    def table(self) -> str:
        return f"{PREFIX}_{self.cloud}"


def dhcp_outer(network_id: str) -> str:
    return f"dh-{network_id[:11]}"


def dhcp_inner(network_id: str) -> str:
    return f"ns-{network_id[:11]}"


def router_outer(port_id: str) -> str:
    return f"rt-{port_id[:11]}"


def router_inner(port_id: str) -> str:
    return f"qr-{port_id[:11]}"


def gateway_outer(port_id: str) -> str:
    return f"rg-{port_id[:11]}"


def gateway_inner(port_id: str) -> str:
    return f"qg-{port_id[:11]}"


def host_end(network_id: str) -> str:
    return f"xh-{network_id[:11]}"


def dataplane_end(network_id: str) -> str:
    return f"xd-{network_id[:11]}"


def vlan_link(network_id: str) -> str:
    return f"vl-{network_id[:11]}"


def stable_mac(*seed: str) -> str:
    """A locally administered address that is the same each time, so that neighbours' caches stay right."""
    digest = hashlib.sha256("/".join(seed).encode()).digest()
    return ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
