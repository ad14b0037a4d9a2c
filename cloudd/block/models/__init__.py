"""The tables of block storage, one file a subject."""

from cloudd.block.models.attachments import Attachment
from cloudd.block.models.messages import Message
from cloudd.block.models.snapshots import Snapshot, SnapshotMetadata
from cloudd.block.models.transfers import Transfer
from cloudd.block.models.types import TypeExtraSpec, VolumeType
from cloudd.block.models.volumes import ImageMetadata, Volume, VolumeMetadata, texts_of

__all__ = ["Attachment", "ImageMetadata", "Message", "Snapshot", "SnapshotMetadata", "Transfer", "TypeExtraSpec", "Volume",
           "VolumeMetadata", "VolumeType", "texts_of"]
