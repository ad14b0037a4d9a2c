"""Guests that only seem to be: `SimulatedHypervisor(config)`. State, timing and refusals are those of a real one.

What it holds lies in files, so a daemon that starts again finds its guests running, as it would find real ones.
"""

from cloudd.drivers.hypervisor.simulated.driver import SimulatedHypervisor

__all__ = ["SimulatedHypervisor"]
