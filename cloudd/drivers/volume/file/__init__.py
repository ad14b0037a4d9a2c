"""Volumes as files of a directory: a layer that is written, over layers that never change and that snapshots, clones and images share."""

from cloudd.drivers.volume.file.driver import FileVolumes

__all__ = ["FileVolumes"]
