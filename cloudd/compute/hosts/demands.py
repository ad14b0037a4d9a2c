"""What flavors and images demand of the host that a server goes to; this host meets it, or the server is refused by its name.

Nova leaves these to its scheduler and to Placement (ComputeCapabilitiesFilter, ImagePropertiesFilter, AggregateInstanceExtra-
SpecsFilter, resource classes and traits), Cyborg and PCI aliases. With one host the answer is known when the order comes in.
"""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from cloudd.compute.config import CONFIG
from cloudd.compute.models import Aggregate
from cloudd.core.errors import BadRequest, NoCapacity

RESOURCES = re.compile(r"resources(?:_?[\w-]{1,64})?:(\w+)")
TRAITS = re.compile(r"trait(?:_?[\w-]{1,64})?:(\w+)")
CAPABILITY, AGGREGATE = "capabilities:", "aggregate_instance_extra_specs:"
OWN = {"VCPU": "vcpus", "MEMORY_MB": "ram", "DISK_GB": "disk"}
"""Resource classes that a flavor names by itself."""
TYPES, MODES, REQUESTED_VERSION = ("img_hv_type", "hypervisor_type"), ("hw_vm_mode", "vm_mode"), (
    "img_hv_requested_version", "hypervisor_version_requires")
"""Image properties, each under its name and its older one."""
NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "=": operator.ge, "==": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le}
TEXTS: dict[str, Callable[[str, str], bool]] = {
    "s==": operator.eq, "s!=": operator.ne, "s<": operator.lt, "s<=": operator.le, "s>": operator.gt, "s>=": operator.ge,
    "<in>": lambda have, want: want in have, "<is>": lambda have, want: (have.lower() == "true") == (want.lower() == "true")}
VERSIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq, "!=": operator.ne, ">=": operator.ge, "<=": operator.le, "<": operator.lt, ">": operator.gt}


async def require(tx: AsyncSession, flavor: Mapping[str, Any], properties: Mapping[str, Any]) -> None:
    """Raise BadRequest for a demand that nothing defines, NoCapacity for one that this host does not meet."""
    specs: Mapping[str, str] = flavor.get("extra_specs") or {}
    _require_defined(flavor["name"], specs)
    for key, value in specs.items():
        if not _meets(key, str(value), flavor):
            raise _no_host(f"Flavor {flavor['name']} demands {key} = {value}; {CONFIG.host} does not meet it.")
    await _require_aggregates(tx, flavor["name"], specs)
    for key, value in properties.items():
        if not _meets_image(key, str(value)):
            raise _no_host(f"The image demands {key} = {value}; {CONFIG.host} does not meet it.")


def _no_host(words: str) -> NoCapacity:
    return NoCapacity(f"No valid host was found. {words}", type="NoValidHost")


def _require_defined(name: str, specs: Mapping[str, str]) -> None:
    if alias := specs.get("pci_passthrough:alias"):
        raise BadRequest(f"Flavor {name} has pci_passthrough:alias = {alias}: PCI alias {alias.partition(':')[0]} is not defined.",
                         type="PciInvalidAlias")
    if profile := specs.get("accel:device_profile"):
        raise BadRequest(f"Flavor {name} has accel:device_profile = {profile}: there is no device profile {profile}; this cloud "
                         "has no accelerators.", type="DeviceProfileNotFound")


def _meets(key: str, value: str, flavor: Mapping[str, Any]) -> bool:
    if found := RESOURCES.fullmatch(key):
        return value == "0" or value == str(flavor.get(OWN.get(found[1], ""), ""))
    if found := TRAITS.fullmatch(key):
        return (found[1] in traits()) is (value == "required")
    if key.startswith(CAPABILITY):
        have = _capabilities().get(key.removeprefix(CAPABILITY))
        return have is not None and matches(have, value)
    return True


def _meets_image(key: str, value: str) -> bool:
    if found := TRAITS.fullmatch(key):
        return (found[1] in traits()) is (value == "required")
    if key in TYPES:
        return value.lower() in {"qemu", CONFIG.caps.virt_type if CONFIG.caps else "qemu"}
    if key in MODES:
        return value.lower() == "hvm"
    if key in REQUESTED_VERSION:
        return _version_fits(value)
    return True


def traits() -> frozenset[str]:
    """Placement's names for what the hypervisor says it can."""
    if CONFIG.caps is None:
        return frozenset()
    kinds = (("STORAGE_BUS", CONFIG.caps.disk_buses), ("NET_VIF_MODEL", CONFIG.caps.nic_models),
             ("GRAPHICS_MODEL", CONFIG.caps.video_models))
    return frozenset(f"COMPUTE_{kind}_{value.upper()}" for kind, values in kinds for value in values)


def _capabilities() -> dict[str, str]:
    """What ComputeCapabilitiesFilter compares with, of this host."""
    return {"hypervisor_type": CONFIG.hypervisor_type, "hypervisor_version": str(CONFIG.hypervisor_version),
            "hypervisor_hostname": CONFIG.node, "host": CONFIG.host, "cpu_info:arch": CONFIG.caps.arch if CONFIG.caps else "",
            "vcpus_total": str(CONFIG.vcpus), "total_usable_ram_mb": str(CONFIG.memory_mb),
            "total_usable_disk_gb": str(CONFIG.disk_gb), "cpu_allocation_ratio": str(CONFIG.cpu_ratio),
            "ram_allocation_ratio": str(CONFIG.ram_ratio), "disk_allocation_ratio": str(CONFIG.disk_ratio)}


def matches(have: str, want: str) -> bool:
    """Whether a value meets a demand in the language of Nova's filters: `s== x`, `>= 4`, `<or> a <or> b`, `<in> x`, or x itself."""
    words = want.split()
    if not words:
        return have == want
    if words[0] == "<or>":
        return have in {word for word in words if word != "<or>"}
    if words[0] == "<all-in>":
        return all(word in have for word in words[1:])
    if words[0] in TEXTS:
        return TEXTS[words[0]](have, " ".join(words[1:]))
    if words[0] in NUMBERS and len(words) == 2:
        try:
            return NUMBERS[words[0]](float(have), float(words[1]))
        except ValueError:
            return False
    return have == want


def _version_fits(wanted: str) -> bool:
    """Whether the hypervisor's version is as `>=2.6, <9` says."""
    number = CONFIG.hypervisor_version
    have = (number // 1_000_000, number // 1000 % 1000, number % 1000)
    for part in wanted.split(","):
        found = re.fullmatch(r"\s*(==|!=|>=|<=|<|>)?\s*(\d{1,6}(?:\.\d{1,6}){0,2})\s*", part)
        if found is None:
            return False
        parts = [int(piece) for piece in found[2].split(".")]
        if not VERSIONS[found[1] or "=="](have, tuple([*parts, 0, 0][:3])):
            return False
    return True


async def _require_aggregates(tx: AsyncSession, name: str, specs: Mapping[str, str]) -> None:
    """Each demand is met by the metadata of one of the host's aggregates."""
    wanted = {key.removeprefix(AGGREGATE): value for key, value in specs.items() if key.startswith(AGGREGATE)}
    if not wanted:
        return
    mine = [row.properties for row in (await tx.execute(select(Aggregate))).scalars() if CONFIG.host in row.hosts]
    for key, value in wanted.items():
        told = [properties[key] for properties in mine if key in properties]
        if not any(matches(have.strip(), value) for text in told for have in text.split(",")):
            raise _no_host(f"Flavor {name} demands {AGGREGATE}{key} = {value}; no aggregate that {CONFIG.host} is in has it.")
