"""The contract of hypervisor drivers, on libvirt."""

from hv_contract import *  # noqa: F403
