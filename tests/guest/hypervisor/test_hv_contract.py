"""The contract of hypervisor drivers, on libvirt."""

from hv_contract import *  # noqa: F403
from hv_volumes import *  # noqa: F403
