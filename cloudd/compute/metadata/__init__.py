"""The metadata service: what a guest finds at http://169.254.169.254/, OpenStack's tree and EC2's."""

from cloudd.compute.metadata.server import MetadataServer

__all__ = ["MetadataServer"]
