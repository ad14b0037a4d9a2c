"""Every microversion of compute, one line each, newest last. Name a change, never compare a number."""

from cloudd.core.http.microversions import Change, History

KEYPAIR_TYPE = Change("2.2", "Keypair gains `type` (ssh/x509); keypair create answers 201, delete 204 (was 200/202)")
ADMIN_ATTRIBUTES = Change("2.3", "Server shows reservation_id, launch_index, ramdisk/kernel id, hostname, root_device_name, "
                                 "user_data (admin attributes); attached volumes list carries delete_on_termination")
FIXED_IP_RESERVED = Change("2.4", "os-fixed-ips shows `reserved` (API since removed)")
IP6_FILTER_FOR_ALL = Change("2.5", "`ip6` filter of server list open to non-admins")
REMOTE_CONSOLES = Change("2.6", "New POST /servers/{id}/remote-consoles (protocol+type); the per-type os-get*Console actions "
                                "answer 404 from here on")
PUBLIC_FLAVOR_ACCESS_CONFLICT = Change("2.7", "addTenantAccess on a public flavor answers 409")
MKS_CONSOLE = Change("2.8", "remote-consoles accepts protocol mks, type webmks")
LOCKED = Change("2.9", "Server shows boolean `locked`")
KEYPAIR_OF_OTHER_USER = Change("2.10", "Keypair list/create/show/delete take user_id (admin acting for another user)")
FORCED_DOWN = Change("2.11", "os-services shows forced_down; PUT os-services/force-down sets it")
VIF_NET_ID = Change("2.12", "os-virtual-interfaces shows net_id (API since removed)")
SERVER_GROUP_OWNER = Change("2.13", "Server group body shows project_id and user_id")
EVACUATE_WITHOUT_SHARED_STORAGE = Change("2.14", "evacuate drops onSharedStorage from request and adminPass from response "
                                                 "(empty body)")
SOFT_POLICIES = Change("2.15", "Server group policies soft-affinity and soft-anti-affinity accepted")
HOST_STATUS = Change("2.16", "Server shows host_status (UP/DOWN/UNKNOWN/MAINTENANCE/empty), policy-controlled")
CRASH_DUMP = Change("2.17", "New server action trigger_crash_dump")
PROJECT_IN_PATH_OPTIONAL = Change("2.18", "project_id segment in URL becomes optional")
DESCRIPTION = Change("2.19", "Server `description` settable on create/update/rebuild and shown")
VOLUMES_OF_SHELVED = Change("2.20", "Volumes can be attached/detached while server is shelved or shelved_offloaded")
ACTIONS_OF_DELETED = Change("2.21", "os-instance-actions readable for deleted servers")
FORCE_LIVE_MIGRATION = Change("2.22", "New force_complete action on a running live migration")
SERVER_MIGRATIONS = Change("2.23", "New GET /servers/{id}/migrations and /{id}; os-migrations gains migration_type and links")
ABORT_LIVE_MIGRATION = Change("2.24", "DELETE /servers/{id}/migrations/{id} aborts a running live migration")
BLOCK_MIGRATION_AUTO = Change("2.25", "os-migrateLive: block_migration may be 'auto', disk_over_commit removed")
SERVER_TAGS = Change("2.26", "Server tags sub-API plus tags/tags-any/not-tags/not-tags-any list filters; server shows `tags`")
GENERIC_VERSION_HEADER = Change("2.27", "Accepts the generic OpenStack-API-Version header beside X-OpenStack-Nova-API-Version")
CPU_INFO_OBJECT = Change("2.28", "Hypervisor cpu_info is a JSON object rather than a string")
EVACUATE_FORCE = Change("2.29", "evacuate: `force` flag; named host is checked by the scheduler unless forced")
LIVE_MIGRATE_FORCE = Change("2.30", "os-migrateLive: `force` flag; named host is checked by the scheduler unless forced")
CONSOLE_TOKENS_OF_ALL_TYPES = Change("2.31", "os-console-auth-tokens works for every console type, not only RDP")
DEVICE_TAGS = Change("2.32", "`tag` accepted in networks[] and block_device_mapping_v2[] at server create")
HYPERVISOR_PAGES = Change("2.33", "os-hypervisors list/detail take limit and marker; hypervisors_links")
LIVE_MIGRATION_CHECKS_LATER = Change("2.34", "Live-migration pre-checks run asynchronously: failure shows in instance actions, "
                                             "no 400")
KEYPAIR_PAGES = Change("2.35", "os-keypairs list takes limit and marker; keypairs_links")
PROXIES_GONE = Change("2.36", "Proxy APIs (images, networks, volumes, floating IPs, security groups, baremetal, fping...) "
                              "answer 404; network quotas leave quota sets and limits")
AUTO_NETWORK = Change("2.37", "Server create requires `networks`; values 'auto'/'none' accepted; network uuid must be a UUID")
STATUS_FILTER_CHECKED = Change("2.38", "Unknown `status` filter in server list answers 400 for all users")
IMAGE_METADATA_PROXY_GONE = Change("2.39", "Image metadata proxy answers 404; image-metadata limit leaves limits/quota sets")
USAGE_PAGES = Change("2.40", "os-simple-tenant-usage takes limit and marker; usages links")
AGGREGATE_UUID = Change("2.41", "Aggregate shows uuid")
DEVICE_TAGS_AGAIN = Change("2.42", "Device `tag` accepted again for block devices and interfaces at create (lost in 2.33/2.37)")
HOSTS_GONE = Change("2.43", "os-hosts answers 404")
FIXED_AND_FLOATING_ACTIONS_GONE = Change("2.44", "Actions addFixedIp/removeFixedIp/addFloatingIp/removeFloatingIp and "
                                                 "os-virtual-interfaces answer 404")
IMAGE_ID_IN_BODY = Change("2.45", "createImage and createBackup return JSON {image_id} instead of a Location header")
REQUEST_ID_HEADER = Change("2.46", "Responses carry X-OpenStack-Request-ID")
FLAVOR_EMBEDDED = Change("2.47", "Server embeds the flavor (vcpus, ram, disk, ephemeral, swap, original_name, extra_specs by "
                                 "policy) instead of a flavor link")
DIAGNOSTICS_SCHEMA = Change("2.48", "Server diagnostics gets a fixed hypervisor-independent schema")
TAGGED_ATTACH = Change("2.49", "`tag` accepted on interface attach and volume attach")
QUOTA_CLASS_SERVER_GROUPS = Change("2.50", "os-quota-class-sets shows server_groups, server_group_members; network quotas "
                                           "removed from it")
VOLUME_EXTENDED_EVENT = Change("2.51", "External event volume-extended; non-admins see action events (traceback still hidden)")
TAGS_AT_CREATE = Change("2.52", "`tags` accepted at server create (max 50)")
UUID_OF_SERVICES = Change("2.53", "Service and hypervisor ids become UUIDs; PUT /os-services/{uuid}; hypervisor search via "
                                  "query hypervisor_hostname_pattern and with_servers; .../servers and .../search 404")
REBUILD_KEY = Change("2.54", "rebuild accepts key_name (null removes it)")
FLAVOR_DESCRIPTION = Change("2.55", "Flavor `description`; PUT /flavors/{id} updates it")
MIGRATE_TO_HOST = Change("2.56", "migrate (cold) accepts target `host`")
PERSONALITY_GONE = Change("2.57", "personality removed from create/rebuild; rebuild accepts user_data; injected_file* quotas "
                                  "and limits gone")
ACTION_PAGES = Change("2.58", "os-instance-actions takes limit, marker, changes-since; shows updated_at")
MIGRATION_PAGES = Change("2.59", "os-migrations takes limit, marker, changes-since; shows uuid")
MULTIATTACH = Change("2.60", "Multiattach volumes may be attached to several servers")
FLAVOR_EXTRA_SPECS = Change("2.61", "Flavor body shows extra_specs (by policy)")
ACTION_EVENT_HOST = Change("2.62", "Instance action events show hostId (and host for admin)")
TRUSTED_CERTIFICATES = Change("2.63", "trusted_image_certificates on create/rebuild and in server body")
SERVER_GROUP_RULES = Change("2.64", "Server groups: single `policy` plus `rules` (max_server_per_host) replace policies/metadata")
ABORT_QUEUED_MIGRATION = Change("2.65", "Live migration abort also in queued and preparing")
CHANGES_BEFORE = Change("2.66", "changes-before filter on servers, instance actions, migrations")
VOLUME_TYPE = Change("2.67", "volume_type accepted in block_device_mapping_v2")
FORCE_GONE = Change("2.68", "`force` removed from os-migrateLive and evacuate")
PARTIAL_RECORDS = Change("2.69", "Lists and shows return partial records (status UNKNOWN) for unreachable cells instead of "
                                 "failing")
TAGS_OF_ATTACHMENTS = Change("2.70", "Volume attachments and interfaces show `tag`")
SERVER_GROUPS_OF_SERVER = Change("2.71", "Server shows server_groups")
RESOURCE_REQUEST_PORTS = Change("2.72", "Ports with resource requests (minimum bandwidth) allowed at server create")
LOCKED_REASON = Change("2.73", "lock accepts locked_reason; server shows it; `locked` filter and sort key")
REQUESTED_HOST = Change("2.74", "Server create accepts host and/or hypervisor_hostname (admin), checked by scheduler")
STRICT = Change("2.75", "Unknown query/body parameters answer 400; server body the same in show/update/rebuild; flavor swap is "
                        "0 not ''; hypervisor always lists servers")
POWER_UPDATE_EVENT = Change("2.76", "External event power-update")
UNSHELVE_ZONE = Change("2.77", "unshelve accepts availability_zone for an offloaded server")
TOPOLOGY = Change("2.78", "New GET /servers/{id}/topology (NUMA)")
DELETE_ON_TERMINATION = Change("2.79", "Volume attach accepts and shows delete_on_termination")
MIGRATION_OWNERS = Change("2.80", "Migrations show and filter by user_id and project_id")
AGGREGATE_IMAGES = Change("2.81", "New POST /os-aggregates/{id}/images (pre-cache images)")
ACCELERATOR_EVENT = Change("2.82", "External event accelerator-request-bound")
FILTERS_FOR_ALL = Change("2.83", "More server list filters open to non-admins (availability_zone, config_drive, key_name, "
                                 "created_at, launched_at, terminated_at, power_state, task_state, vm_state, progress, user_id)")
ACTION_EVENT_DETAILS = Change("2.84", "Instance action events show `details`")
CHANGE_DELETE_ON_TERMINATION = Change("2.85", "PUT /servers/{id}/os-volume_attachments/{vol} can change delete_on_termination")
EXTRA_SPECS_CHECKED = Change("2.86", "Known flavor extra specs are validated; bad values answer 400")
RESCUE_VOLUME_BOOTED = Change("2.87", "rescue works for volume-booted servers")
HYPERVISOR_WITHOUT_USAGE = Change("2.88", "Hypervisor body drops usage counters, keeps servers and gains uptime; /statistics "
                                          "and /{id}/uptime answer 404")
ATTACHMENT_IDS = Change("2.89", "Volume attachment body: attachment_id and bdm_uuid added, id removed")
HOSTNAME = Change("2.90", "`hostname` accepted on create/update/rebuild; OS-EXT-SRV-ATTR:hostname shown to everyone")
UNSHELVE_HOST = Change("2.91", "unshelve accepts host; availability_zone null unpins")
KEYPAIR_IMPORT_ONLY = Change("2.92", "POST os-keypairs requires public_key (no server-side generation); names may contain @ "
                                     "and .")
REBUILD_VOLUME_BOOTED = Change("2.93", "rebuild of a volume-booted server replaces the root volume image")
HOSTNAME_FQDN = Change("2.94", "`hostname` may be an FQDN")
EVACUATED_STAYS_STOPPED = Change("2.95", "Evacuated server stays stopped at destination")
PINNED_ZONE = Change("2.96", "Server shows pinned_availability_zone")
SHARES = Change("2.97", "New /servers/{id}/shares sub-API (Manila shares over virtiofs)")
IMAGE_PROPERTIES = Change("2.98", "Server's image field embeds image properties")
SPICE_DIRECT = Change("2.99", "remote-consoles accepts spice-direct; console auth token shows tls_port")
SCHEDULER_HINTS = Change("2.100", "Server shows scheduler_hints")
VOLUME_ATTACH_LATER = Change("2.101", "Volume attach answers 202 with no body (asynchronous)")
FLAVOR_NAME_FILTER = Change("2.102", "Flavor list filters by name; rxtx_factor and OS-FLV-DISABLED:disabled gone; unknown "
                                     "query parameters rejected on all APIs")
VOLUMES_BOOT_GONE = Change("2.103", "os-volumes_boot alias removed")
UPDATE_PINNED_ZONE = Change("2.104", "PUT /servers/{id} accepts pinned_availability_zone")

HISTORY = History("2.1", [
    KEYPAIR_TYPE, ADMIN_ATTRIBUTES, FIXED_IP_RESERVED, IP6_FILTER_FOR_ALL, REMOTE_CONSOLES, PUBLIC_FLAVOR_ACCESS_CONFLICT,
    MKS_CONSOLE, LOCKED, KEYPAIR_OF_OTHER_USER, FORCED_DOWN, VIF_NET_ID, SERVER_GROUP_OWNER, EVACUATE_WITHOUT_SHARED_STORAGE,
    SOFT_POLICIES, HOST_STATUS, CRASH_DUMP, PROJECT_IN_PATH_OPTIONAL, DESCRIPTION, VOLUMES_OF_SHELVED, ACTIONS_OF_DELETED,
    FORCE_LIVE_MIGRATION, SERVER_MIGRATIONS, ABORT_LIVE_MIGRATION, BLOCK_MIGRATION_AUTO, SERVER_TAGS, GENERIC_VERSION_HEADER,
    CPU_INFO_OBJECT, EVACUATE_FORCE, LIVE_MIGRATE_FORCE, CONSOLE_TOKENS_OF_ALL_TYPES, DEVICE_TAGS, HYPERVISOR_PAGES,
    LIVE_MIGRATION_CHECKS_LATER, KEYPAIR_PAGES, PROXIES_GONE, AUTO_NETWORK, STATUS_FILTER_CHECKED, IMAGE_METADATA_PROXY_GONE,
    USAGE_PAGES, AGGREGATE_UUID, DEVICE_TAGS_AGAIN, HOSTS_GONE, FIXED_AND_FLOATING_ACTIONS_GONE, IMAGE_ID_IN_BODY,
    REQUEST_ID_HEADER, FLAVOR_EMBEDDED, DIAGNOSTICS_SCHEMA, TAGGED_ATTACH, QUOTA_CLASS_SERVER_GROUPS, VOLUME_EXTENDED_EVENT,
    TAGS_AT_CREATE, UUID_OF_SERVICES, REBUILD_KEY, FLAVOR_DESCRIPTION, MIGRATE_TO_HOST, PERSONALITY_GONE, ACTION_PAGES,
    MIGRATION_PAGES, MULTIATTACH, FLAVOR_EXTRA_SPECS, ACTION_EVENT_HOST, TRUSTED_CERTIFICATES, SERVER_GROUP_RULES,
    ABORT_QUEUED_MIGRATION, CHANGES_BEFORE, VOLUME_TYPE, FORCE_GONE, PARTIAL_RECORDS, TAGS_OF_ATTACHMENTS,
    SERVER_GROUPS_OF_SERVER, RESOURCE_REQUEST_PORTS, LOCKED_REASON, REQUESTED_HOST, STRICT, POWER_UPDATE_EVENT,
    UNSHELVE_ZONE, TOPOLOGY, DELETE_ON_TERMINATION, MIGRATION_OWNERS, AGGREGATE_IMAGES, ACCELERATOR_EVENT, FILTERS_FOR_ALL,
    ACTION_EVENT_DETAILS, CHANGE_DELETE_ON_TERMINATION, EXTRA_SPECS_CHECKED, RESCUE_VOLUME_BOOTED, HYPERVISOR_WITHOUT_USAGE,
    ATTACHMENT_IDS, HOSTNAME, UNSHELVE_HOST, KEYPAIR_IMPORT_ONLY, REBUILD_VOLUME_BOOTED, HOSTNAME_FQDN,
    EVACUATED_STAYS_STOPPED, PINNED_ZONE, SHARES, IMAGE_PROPERTIES, SPICE_DIRECT, SCHEDULER_HINTS, VOLUME_ATTACH_LATER,
    FLAVOR_NAME_FILTER, VOLUMES_BOOT_GONE, UPDATE_PINNED_ZONE,
])
