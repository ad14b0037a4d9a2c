"""The tables of block storage, one file a subject."""

from cloudd.block.models.attachments import Attachment
from cloudd.block.models.group_types import GroupType
from cloudd.block.models.messages import Message
from cloudd.block.models.services import BlockService
from cloudd.block.models.snapshots import Snapshot, SnapshotMetadata
from cloudd.block.models.transfers import Transfer
from cloudd.block.models.type_records import ProjectDefaultType, QosSpecs, TypeAccess, TypeEncryption
from cloudd.block.models.types import TypeExtraSpec, VolumeType
from cloudd.block.models.volumes import ImageMetadata, Volume, VolumeMetadata, texts_of

__all__ = ["Attachment", "BlockService", "GroupType", "ImageMetadata", "Message", "ProjectDefaultType", "QosSpecs", "Snapshot",
           "SnapshotMetadata", "Transfer", "TypeAccess", "TypeEncryption", "TypeExtraSpec", "Volume", "VolumeMetadata", "VolumeType",
           "texts_of"]
