"""Volumes that are small files of this machine whatever their size, with what real back ends do: for tests, and to try the API."""

from cloudd.drivers.volume.simulated.driver import SimulatedVolumes

__all__ = ["SimulatedVolumes"]
