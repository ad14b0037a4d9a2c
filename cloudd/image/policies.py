"""Who may do what with images: upstream's names and defaults (glance/policies)."""

from cloudd.core.policy import Rule

ADMIN = "rule:context_is_admin"
OWNER = "rule:context_is_admin or (role:member and project_id:%(project_id)s)"
SHARED = ("(project_id:%(project_id)s or project_id:%(member_id)s or 'community':%(visibility)s or "
          "'public':%(visibility)s or 'shared':%(visibility)s)")
MEMBERS = "rule:context_is_admin or role:reader and (project_id:%(project_id)s or project_id:%(member_id)s)"
PROJECT = ("project",)

POLICIES = (
    Rule("context_is_admin", "role:admin"),
    Rule("add_image", "rule:context_is_admin or (role:member and project_id:%(project_id)s and project_id:%(owner)s)", PROJECT),
    Rule("delete_image", OWNER, PROJECT),
    Rule("get_image", f"rule:context_is_admin or (role:reader and {SHARED})", PROJECT),
    Rule("get_images", "rule:context_is_admin or (role:reader and project_id:%(project_id)s)", PROJECT),
    Rule("modify_image", OWNER, PROJECT),
    Rule("publicize_image", ADMIN, PROJECT),
    Rule("communitize_image", OWNER, PROJECT),
    Rule("download_image", f"rule:context_is_admin or (role:member and {SHARED})", PROJECT),
    Rule("service_api", "role:service or role:admin"),
    Rule("copy_image", ADMIN, PROJECT),
    Rule("get_image_location", "rule:context_is_admin or (role:reader and project_id:%(project_id)s)", PROJECT),
    Rule("set_image_location", OWNER, PROJECT),
    Rule("add_image_location", "rule:service_api or (role:member and project_id:%(project_id)s and project_id:%(owner)s)", PROJECT),
    Rule("fetch_image_location", "rule:service_api", PROJECT),
    Rule("delete_image_location", ADMIN, PROJECT),
    Rule("upload_image", OWNER, PROJECT),
    Rule("add_member", OWNER, PROJECT),
    Rule("delete_member", OWNER, PROJECT),
    Rule("get_member", MEMBERS, PROJECT),
    Rule("get_members", MEMBERS, PROJECT),
    Rule("modify_member", "rule:context_is_admin or (role:member and project_id:%(member_id)s)", PROJECT),
    Rule("deactivate", OWNER, PROJECT),
    Rule("reactivate", OWNER, PROJECT),
    Rule("tasks_api_access", ADMIN, PROJECT),
    Rule("manage_image_cache", ADMIN, PROJECT),
    *(Rule(name, ADMIN, PROJECT) for name in ("cache_image", "cache_list", "cache_delete", "cache_clean", "cache_prune",
                                              "list_cached_nodes")),
    Rule("stores_info_detail", "rule:context_is_admin or role:service", PROJECT),
)
