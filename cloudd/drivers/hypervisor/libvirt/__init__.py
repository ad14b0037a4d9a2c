"""Guests of libvirt and QEMU: `LibvirtHypervisor(config)`."""

from cloudd.drivers.hypervisor.libvirt.driver import LibvirtHypervisor

__all__ = ["LibvirtHypervisor"]
