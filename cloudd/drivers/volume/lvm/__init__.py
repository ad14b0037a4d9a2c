"""Volumes as thin logical volumes of one pool: `LvmVolumes(config)`, whose address is VOLUME_GROUP/POOL."""

from cloudd.drivers.volume.lvm.driver import LvmVolumes

__all__ = ["LvmVolumes"]
