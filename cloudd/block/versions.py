"""Every microversion of block storage, one line each, newest last. Name a change, never compare a number."""

from cloudd.core.http.microversions import Change, History

UPLOAD_VISIBILITY = Change("3.1", "os-volume_upload_image accepts visibility and protected")
BOOTABLE_FILTER = Change("3.2", "`bootable` list filter only takes real booleans (invalid is 400)")
MESSAGES = Change("3.3", "New /messages (user-visible error messages): list, show, delete")
GLANCE_METADATA_FILTER = Change("3.4", "glance_metadata filter on volume lists")
MESSAGE_PAGES = Change("3.5", "Messages list: limit, marker, sort, filters")
CG_UPDATE_BLANK_NAME = Change("3.6", "Consistency group update may set empty name/description")
CLUSTERS = Change("3.7", "New /clusters; service list shows cluster")
MANAGE_LISTS = Change("3.8", "New /manageable_volumes and /manageable_snapshots (replace os-volume-manage, os-snapshot-"
                             "manage)")
BACKUP_UPDATE = Change("3.9", "PUT /backups/{id} updates name and description")
GROUP_FILTER = Change("3.10", "group_id filter on volume lists")
GROUP_TYPES = Change("3.11", "New /group_types and /group_types/{id}/group_specs")
SUMMARY = Change("3.12", "New GET /volumes/summary")
GROUPS = Change("3.13", "New /groups (generic volume groups)")
GROUP_SNAPSHOTS = Change("3.14", "New /group_snapshots and groups create-from-src")
ETAGS = Change("3.15", "ETag header on metadata responses; If-Match honoured on metadata writes (412)")
MIGRATE_CLUSTER = Change("3.16", "os-migrate_volume accepts cluster")
MANAGE_CLUSTER = Change("3.17", "Manageable lists accept cluster")
BACKUP_PROJECT = Change("3.18", "Backup shows os-backup-project-attr:project_id")
GROUP_SNAPSHOT_RESET = Change("3.19", "reset_status action on group snapshots")
GROUP_RESET = Change("3.20", "reset_status action on groups")
PROVIDER_ID = Change("3.21", "Volume detail shows provider_id to admin")
SNAPSHOT_METADATA_FILTER = Change("3.22", "metadata filter on snapshot lists")
DELETE_FORCE = Change("3.23", "DELETE /volumes/{id} takes force=true")
WORKERS_CLEANUP = Change("3.24", "New POST /workers/cleanup")
GROUP_VOLUMES = Change("3.25", "Group body can list its volumes (list_volume=true)")
REPLICATION_CLUSTER = Change("3.26", "PUT os-services/failover for clusters; cluster lists take replication filters")
ATTACHMENTS = Change("3.27", "New /attachments: list, show, create, update, delete")
POOL_FILTERS = Change("3.28", "scheduler-stats/get_pools takes filters")
GROUP_SNAPSHOT_PAGES = Change("3.29", "Group snapshot list: filters, sort, paging")
SNAPSHOT_SORT_NAME = Change("3.30", "Snapshots can be sorted by name")
RESOURCE_FILTERS = Change("3.31", "Allowed list filters come from operator configuration; unlisted filters ignored for "
                                  "non-admin")
LOG_LEVELS = Change("3.32", "PUT os-services/set-log and get-log")
RESOURCE_FILTERS_LIST = Change("3.33", "New GET /resource_filters")
LIKE_FILTERS = Change("3.34", "Inexact match filters with ~ (name~, description~ ...)")
POOL_TYPE_FILTER = Change("3.35", "get_pools filters by volume type")
SUMMARY_METADATA = Change("3.36", "volumes/summary adds metadata")
BACKUP_SORT_NAME = Change("3.37", "Backups can be sorted by name")
GROUP_REPLICATION = Change("3.38", "Group actions enable/disable/failover_replication, list_replication_targets")
LIMITS_OF_PROJECT = Change("3.39", "GET /limits takes project_id (admin)")
REVERT = Change("3.40", "Volume action revert (to latest snapshot)")
SNAPSHOT_USER = Change("3.41", "Snapshot shows user_id")
EXTEND_ATTACHED = Change("3.42", "os-extend allowed on in-use volumes")
BACKUP_METADATA = Change("3.43", "Backup metadata on create, update, show")
ATTACHMENT_COMPLETE = Change("3.44", "Attachment action os-complete")
WITH_COUNT = Change("3.45", "with_count=true adds `count` to volume, snapshot, backup lists")
EMPTY_IMAGE = Change("3.46", "Create volume from an image of size 0")
FROM_BACKUP = Change("3.47", "Create volume accepts backup_id")
SHARED_TARGETS = Change("3.48", "Volume shows shared_targets and service_uuid")
BACKEND_STATE = Change("3.49", "Service list shows backend_state")
MULTIATTACH = Change("3.50", "Multiattach volumes through the `multiattach` extra spec; volume shows it")
BACKUP_ZONE = Change("3.51", "Backup create accepts availability_zone")
TYPE_ZONES = Change("3.52", "RESKEY:availability_zones type spec; types filter by extra_specs")
STRICT = Change("3.53", "Strict JSON-schema validation: unknown volume create/update keys answer 400; volume update needs"
                        " at least one key")
ATTACHMENT_MODE = Change("3.54", "Attachment create accepts mode (rw/ro)")
TRANSFERS_WITH_SNAPSHOTS = Change("3.55", "New /volume-transfers; transfers may carry snapshots (no_snapshots flag)")
BACKUP_USER = Change("3.56", "Backup shows user_id")
TRANSFER_PROJECTS = Change("3.57", "Transfer shows source_project_id, destination_project_id, accepted")
GROUP_PROJECT = Change("3.58", "Group and group snapshot show project_id")
TRANSFER_PAGES = Change("3.59", "Transfer list: limit, offset, sort, filters")
TIME_FILTERS = Change("3.60", "created_at/updated_at comparison filters (gt:, lt: ...) on volume lists")
CLUSTER_NAME = Change("3.61", "Volume detail shows cluster_name to admin")
DEFAULT_TYPES = Change("3.62", "New /default-types (per-project default volume type)")
VOLUME_TYPE_ID = Change("3.63", "Volume shows volume_type_id")
ENCRYPTION_KEY_ID = Change("3.64", "Volume and backup show encryption_key_id when encrypted")
CONSUMES_QUOTA = Change("3.65", "Volume and snapshot show consumes_quota; filter too")
SNAPSHOT_WITHOUT_FORCE = Change("3.66", "Snapshot of an in-use volume needs no force flag; force=false answers 400")
PROJECT_IN_PATH_OPTIONAL = Change("3.67", "project_id URL segment becomes optional")
REIMAGE = Change("3.68", "Volume action os-reimage")
SHARED_TARGETS_NULL = Change("3.69", "shared_targets may be null")
TRANSFER_ENCRYPTED = Change("3.70", "Encrypted volumes can be transferred")
EXTEND_COMPLETION = Change("3.71", "Volume action os-extend_volume_completion (compute reports the end of an online extend)")

HISTORY = History("3.0", [
    UPLOAD_VISIBILITY, BOOTABLE_FILTER, MESSAGES, GLANCE_METADATA_FILTER, MESSAGE_PAGES, CG_UPDATE_BLANK_NAME, CLUSTERS,
    MANAGE_LISTS, BACKUP_UPDATE, GROUP_FILTER, GROUP_TYPES, SUMMARY, GROUPS, GROUP_SNAPSHOTS, ETAGS, MIGRATE_CLUSTER,
    MANAGE_CLUSTER, BACKUP_PROJECT, GROUP_SNAPSHOT_RESET, GROUP_RESET, PROVIDER_ID, SNAPSHOT_METADATA_FILTER,
    DELETE_FORCE, WORKERS_CLEANUP, GROUP_VOLUMES, REPLICATION_CLUSTER, ATTACHMENTS, POOL_FILTERS, GROUP_SNAPSHOT_PAGES,
    SNAPSHOT_SORT_NAME, RESOURCE_FILTERS, LOG_LEVELS, RESOURCE_FILTERS_LIST, LIKE_FILTERS, POOL_TYPE_FILTER,
    SUMMARY_METADATA, BACKUP_SORT_NAME, GROUP_REPLICATION, LIMITS_OF_PROJECT, REVERT, SNAPSHOT_USER, EXTEND_ATTACHED,
    BACKUP_METADATA, ATTACHMENT_COMPLETE, WITH_COUNT, EMPTY_IMAGE, FROM_BACKUP, SHARED_TARGETS, BACKEND_STATE,
    MULTIATTACH, BACKUP_ZONE, TYPE_ZONES, STRICT, ATTACHMENT_MODE, TRANSFERS_WITH_SNAPSHOTS, BACKUP_USER,
    TRANSFER_PROJECTS, GROUP_PROJECT, TRANSFER_PAGES, TIME_FILTERS, CLUSTER_NAME, DEFAULT_TYPES, VOLUME_TYPE_ID,
    ENCRYPTION_KEY_ID, CONSUMES_QUOTA, SNAPSHOT_WITHOUT_FORCE, PROJECT_IN_PATH_OPTIONAL, REIMAGE, SHARED_TARGETS_NULL,
    TRANSFER_ENCRYPTED, EXTEND_COMPLETION,
])
