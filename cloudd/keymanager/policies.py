"""Who may do what with secrets: upstream's names and defaults (barbican/common/policies).

Upstream's older roles (creator, observer, audit, key-manager:service-admin) count beside the newer ones, as they do there unless
new defaults are enforced: who has none of them, which is everybody unless an operator makes them, is not touched by it.
"""

from cloudd.core.policy import Rule

PROJECT = ("project",)
MINE = "(rule:secret_project_admin or (rule:secret_project_member and rule:secret_owner) or " \
       "(rule:secret_project_member and rule:secret_is_not_private))"
READABLE = f"({MINE} or rule:secret_acl_read)"
OLD_GET = "rule:secret_non_private_read or rule:secret_project_creator or rule:secret_project_admin or rule:secret_acl_read"
OLD_CHANGE = "rule:secret_project_admin or rule:secret_project_creator or " \
             "(rule:secret_project_creator_role and rule:secret_non_private_read)"

ROLES = (
    Rule("secret_project_match", "project_id:%(target.secret.project_id)s"),
    Rule("secret_project_reader", "role:reader and rule:secret_project_match"),
    Rule("secret_project_member", "role:member and rule:secret_project_match"),
    Rule("secret_project_admin", "role:admin and rule:secret_project_match"),
    Rule("secret_owner", "user_id:%(target.secret.creator_id)s"),
    Rule("secret_is_not_private", "True:%(target.secret.read_project_access)s"),
    Rule("secret_acl_read", "'read':%(target.secret.read)s"),
    *(Rule(name, f"role:{name}") for name in ("audit", "observer", "creator", "admin")),
    Rule("service_admin", "role:key-manager:service-admin"),
    Rule("all_users", "rule:admin or rule:observer or rule:creator or rule:audit or rule:service_admin"),
    Rule("all_but_audit", "rule:admin or rule:observer or rule:creator"),
    Rule("admin_or_creator", "rule:admin or rule:creator"),
    Rule("secret_creator_user", "user_id:%(target.secret.creator_id)s"),
    Rule("secret_private_read", "'False':%(target.secret.read_project_access)s"),
    Rule("secret_non_private_read", "rule:all_users and rule:secret_project_match and not rule:secret_private_read"),
    Rule("secret_decrypt_non_private_read", "rule:all_but_audit and rule:secret_project_match and not rule:secret_private_read"),
    Rule("secret_project_creator", "rule:creator and rule:secret_project_match and rule:secret_creator_user"),
    Rule("secret_project_creator_role", "rule:creator and rule:secret_project_match"),
)
SECRETS = (
    Rule("secret:decrypt", f"{READABLE} or rule:secret_decrypt_non_private_read or rule:secret_project_creator", PROJECT),
    Rule("secret:get", f"role:admin or {READABLE} or {OLD_GET}", PROJECT),
    Rule("secret:put", f"{MINE} or (rule:admin_or_creator and rule:secret_project_match)", PROJECT),
    Rule("secret:delete", f"role:admin or {MINE} or rule:secret_project_creator or "
                          "(rule:secret_project_creator_role and not rule:secret_private_read)", PROJECT),
    Rule("secrets:post", "role:member or rule:admin_or_creator", PROJECT),
    Rule("secrets:get", "role:member or rule:all_but_audit", PROJECT),
)
METADATA = (
    Rule("secret_meta:get", f"{READABLE} or {OLD_GET}", PROJECT),
    *(Rule(f"secret_meta:{verb}", f"{MINE} or {OLD_CHANGE}", PROJECT) for verb in ("post", "put", "delete")),
)
CONSUMERS = tuple(Rule(f"secret_consumers:{verb}", f"{READABLE} or {OLD_GET}", PROJECT) for verb in ("get", "post", "delete"))
QUOTAS = (
    Rule("quotas:get", "role:reader or rule:all_users", PROJECT),
    *(Rule(f"project_quotas:{verb}", "role:admin or rule:service_admin", PROJECT) for verb in ("get", "put", "delete")),
)
POLICIES = ROLES + SECRETS + METADATA + CONSUMERS + QUOTAS
