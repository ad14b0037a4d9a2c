"""Identity's default rules, under Keystone's names and with its checks; only those of operations that are served."""

from cloudd.core.policy import Rule
from cloudd.identity.policies_extensions import EXTENSIONS

SYSTEM_PROJECT = ("system", "project")
ANY = ("system", "domain", "project")
ADMIN = "rule:admin_required"
READER = "rule:admin_required or (role:reader and system_scope:all)"
CHECK_GRANT = (
    "(rule:admin_required) or ((role:reader and system_scope:all) or ((role:reader and "
    "domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and "
    "domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:reader and "
    "domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and "
    "domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and "
    "(domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s))")
LIST_GRANTS = (
    "(rule:admin_required) or ((role:reader and system_scope:all) or (role:reader and "
    "domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and "
    "domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:reader and "
    "domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:reader and "
    "domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s))")
GRANT = (
    "(rule:admin_required) or ((role:admin and domain_id:%(target.user.domain_id)s and "
    "domain_id:%(target.project.domain_id)s) or (role:admin and domain_id:%(target.user.domain_id)s and "
    "domain_id:%(target.domain.id)s) or (role:admin and domain_id:%(target.group.domain_id)s and "
    "domain_id:%(target.project.domain_id)s) or (role:admin and domain_id:%(target.group.domain_id)s and "
    "domain_id:%(target.domain.id)s)) and (domain_id:%(target.role.domain_id)s or None:%(target.role.domain_id)s) or "
    "((role:manager and domain_id:%(target.user.domain_id)s and domain_id:%(target.project.domain_id)s) or "
    "(role:manager and domain_id:%(target.user.domain_id)s and domain_id:%(target.domain.id)s) or (role:manager and "
    "domain_id:%(target.group.domain_id)s and domain_id:%(target.project.domain_id)s) or (role:manager and "
    "domain_id:%(target.group.domain_id)s and domain_id:%(target.domain.id)s)) and rule:domain_managed_target_role")
READ_OWN_CREDENTIAL = "(rule:admin_required) or (role:reader and system_scope:all) or rule:owner"
READ_CREDENTIAL = "(rule:admin_required) or (role:reader and system_scope:all) or user_id:%(target.credential.user_id)s"
OWN_CREDENTIAL = "(rule:admin_required) or user_id:%(target.credential.user_id)s"
READ_GROUP = (
    "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
    "domain_id:%(target.group.domain_id)s)")
CHANGE_GROUP = "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s)"
CHANGE_MEMBERS = (
    "(rule:admin_required) or (role:manager and domain_id:%(target.group.domain_id)s and "
    "domain_id:%(target.user.domain_id)s)")
READ_PROJECT = (
    "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
    "domain_id:%(target.project.domain_id)s and not None:%(target.project.domain_id)s) or "
    "project_id:%(target.project.id)s")
LIST_IN_DOMAIN = (
    "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain_id)s)")
CHANGE_PROJECT = (
    "(rule:admin_required) or (role:manager and domain_id:%(target.project.domain_id)s and not "
    "None:%(target.project.domain_id)s)")
READ_TRUST = (
    "(rule:admin_required) or (role:reader and system_scope:all or user_id:%(target.trust.trustor_user_id)s or "
    "user_id:%(target.trust.trustee_user_id)s)")
CHANGE_USER = "(rule:admin_required) or (role:manager and token.domain.id:%(target.user.domain_id)s)"

POLICIES = (
    Rule("admin_required", "role:admin or is_admin:1"),
    Rule("service_role", "role:service"),
    Rule("service_or_admin", "rule:admin_required or rule:service_role"),
    Rule("owner", "user_id:%(user_id)s"),
    Rule("admin_or_owner", "rule:admin_required or rule:owner"),
    Rule("token_subject", "user_id:%(target.token.user_id)s"),
    Rule("admin_or_token_subject", "rule:admin_required or rule:token_subject"),
    Rule("service_admin_or_token_subject", "rule:service_or_admin or rule:token_subject"),
    Rule("domain_managed_target_role",
         "'manager':%(target.role.name)s or 'member':%(target.role.name)s or 'reader':%(target.role.name)s"),
    Rule("identity:get_application_credential", READ_OWN_CREDENTIAL, SYSTEM_PROJECT),
    Rule("identity:list_application_credentials", READ_OWN_CREDENTIAL, SYSTEM_PROJECT),
    Rule("identity:create_application_credential", "user_id:%(user_id)s", ("project",)),
    Rule("identity:delete_application_credential", "rule:admin_or_owner", SYSTEM_PROJECT),
    Rule("identity:get_auth_catalog", ""),
    Rule("identity:get_auth_projects", ""),
    Rule("identity:get_auth_domains", ""),
    Rule("identity:get_auth_system", ""),
    Rule("identity:get_credential", READ_CREDENTIAL, ANY),
    Rule("identity:list_credentials", READ_CREDENTIAL, ANY),
    Rule("identity:create_credential", OWN_CREDENTIAL, ANY),
    Rule("identity:update_credential", OWN_CREDENTIAL, ANY),
    Rule("identity:delete_credential", OWN_CREDENTIAL, ANY),
    Rule("identity:get_domain",
         "rule:admin_required or (role:reader and system_scope:all) or token.domain.id:%(target.domain.id)s or "
         "token.project.domain.id:%(target.domain.id)s", ANY),
    Rule("identity:list_domains",
         "rule:admin_required or (role:reader and system_scope:all) or (role:reader and domain_id:%(target.domain.id)s)", ANY),
    Rule("identity:create_domain", ADMIN, SYSTEM_PROJECT),
    Rule("identity:update_domain", ADMIN, SYSTEM_PROJECT),
    Rule("identity:delete_domain", ADMIN, SYSTEM_PROJECT),
    Rule("identity:get_endpoint", READER, SYSTEM_PROJECT),
    Rule("identity:list_endpoints", READER, SYSTEM_PROJECT),
    Rule("identity:create_endpoint", ADMIN, SYSTEM_PROJECT),
    Rule("identity:update_endpoint", ADMIN, SYSTEM_PROJECT),
    Rule("identity:delete_endpoint", ADMIN, SYSTEM_PROJECT),
    Rule("identity:check_grant", CHECK_GRANT, ANY),
    Rule("identity:list_grants", LIST_GRANTS, ANY),
    Rule("identity:create_grant", GRANT, ANY),
    Rule("identity:revoke_grant", GRANT, ANY),
    Rule("identity:list_system_grants_for_user", READER, SYSTEM_PROJECT),
    Rule("identity:check_system_grant_for_user", READER, SYSTEM_PROJECT),
    Rule("identity:create_system_grant_for_user", ADMIN, SYSTEM_PROJECT),
    Rule("identity:revoke_system_grant_for_user", ADMIN, SYSTEM_PROJECT),
    Rule("identity:list_system_grants_for_group", READER, SYSTEM_PROJECT),
    Rule("identity:check_system_grant_for_group", READER, SYSTEM_PROJECT),
    Rule("identity:create_system_grant_for_group", ADMIN, SYSTEM_PROJECT),
    Rule("identity:revoke_system_grant_for_group", ADMIN, SYSTEM_PROJECT),
    Rule("identity:get_group", READ_GROUP, ANY),
    Rule("identity:list_groups", READ_GROUP, ANY),
    Rule("identity:list_groups_for_user",
         "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
         "domain_id:%(target.user.domain_id)s) or user_id:%(user_id)s", ANY),
    Rule("identity:create_group", CHANGE_GROUP, ANY),
    Rule("identity:update_group", CHANGE_GROUP, ANY),
    Rule("identity:delete_group", CHANGE_GROUP, ANY),
    Rule("identity:list_users_in_group", READ_GROUP, ANY),
    Rule("identity:remove_user_from_group", CHANGE_MEMBERS, ANY),
    Rule("identity:check_user_in_group",
         "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
         "domain_id:%(target.group.domain_id)s and domain_id:%(target.user.domain_id)s)", ANY),
    Rule("identity:add_user_to_group", CHANGE_MEMBERS, ANY),
    Rule("identity:get_implied_role", READER, SYSTEM_PROJECT),
    Rule("identity:list_implied_roles", READER, SYSTEM_PROJECT),
    Rule("identity:create_implied_role", ADMIN, SYSTEM_PROJECT),
    Rule("identity:delete_implied_role", ADMIN, SYSTEM_PROJECT),
    Rule("identity:list_role_inference_rules", READER, SYSTEM_PROJECT),
    Rule("identity:check_implied_role", READER, SYSTEM_PROJECT),
    Rule("identity:get_limit_model", "", ANY),
    Rule("identity:get_limit",
         "rule:admin_required or (role:reader and system_scope:all) or (domain_id:%(target.limit.domain.id)s or "
         "domain_id:%(target.limit.project.domain_id)s) or (project_id:%(target.limit.project_id)s and not "
         "None:%(target.limit.project_id)s)", ANY),
    Rule("identity:list_limits", "", ANY),
    Rule("identity:create_limits", ADMIN, SYSTEM_PROJECT),
    Rule("identity:update_limit", ADMIN, SYSTEM_PROJECT),
    Rule("identity:delete_limit", ADMIN, SYSTEM_PROJECT),
    Rule("identity:get_policy", READER, SYSTEM_PROJECT),
    Rule("identity:list_policies", READER, SYSTEM_PROJECT),
    Rule("identity:create_policy", ADMIN, SYSTEM_PROJECT),
    Rule("identity:update_policy", ADMIN, SYSTEM_PROJECT),
    Rule("identity:delete_policy", ADMIN, SYSTEM_PROJECT),
    Rule("identity:get_project", READ_PROJECT, ANY),
    Rule("identity:list_projects", LIST_IN_DOMAIN, ANY),
    Rule("identity:list_user_projects",
         "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
         "domain_id:%(target.user.domain_id)s) or user_id:%(target.user.id)s", ANY),
    Rule("identity:create_project", CHANGE_PROJECT, ANY),
    Rule("identity:update_project", CHANGE_PROJECT, ANY),
    Rule("identity:delete_project", CHANGE_PROJECT, ANY),
    Rule("identity:list_project_tags", READ_PROJECT, ANY),
    Rule("identity:get_project_tag", READ_PROJECT, ANY),
    Rule("identity:update_project_tags", CHANGE_PROJECT, ANY),
    Rule("identity:create_project_tag", CHANGE_PROJECT, ANY),
    Rule("identity:delete_project_tags", CHANGE_PROJECT, ANY),
    Rule("identity:delete_project_tag", CHANGE_PROJECT, ANY),
    Rule("identity:get_region", "", ANY),
    Rule("identity:list_regions", "", ANY),
    Rule("identity:create_region", ADMIN, SYSTEM_PROJECT),
    Rule("identity:update_region", ADMIN, SYSTEM_PROJECT),
    Rule("identity:delete_region", ADMIN, SYSTEM_PROJECT),
    Rule("identity:get_registered_limit", "", ANY),
    Rule("identity:list_registered_limits", "", ANY),
    Rule("identity:create_registered_limits", ADMIN, SYSTEM_PROJECT),
    Rule("identity:update_registered_limit", ADMIN, SYSTEM_PROJECT),
    Rule("identity:delete_registered_limit", ADMIN, SYSTEM_PROJECT),
    Rule("identity:get_role",
         "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and "
         "rule:domain_managed_target_role)", ANY),
    Rule("identity:list_roles",
         "(rule:admin_required or (role:reader and system_scope:all)) or (role:manager and not domain_id:None)", ANY),
    Rule("identity:create_role", ADMIN, SYSTEM_PROJECT),
    Rule("identity:update_role", ADMIN, SYSTEM_PROJECT),
    Rule("identity:delete_role", ADMIN, SYSTEM_PROJECT),
    Rule("identity:get_domain_role", READER, SYSTEM_PROJECT),
    Rule("identity:list_domain_roles", READER, SYSTEM_PROJECT),
    Rule("identity:create_domain_role", ADMIN, SYSTEM_PROJECT),
    Rule("identity:update_domain_role", ADMIN, SYSTEM_PROJECT),
    Rule("identity:delete_domain_role", ADMIN, SYSTEM_PROJECT),
    Rule("identity:list_role_assignments", LIST_IN_DOMAIN, ANY),
    Rule("identity:list_role_assignments_for_tree", LIST_IN_DOMAIN, ANY),
    Rule("identity:get_service", READER, SYSTEM_PROJECT),
    Rule("identity:list_services", READER, SYSTEM_PROJECT),
    Rule("identity:create_service", ADMIN, SYSTEM_PROJECT),
    Rule("identity:update_service", ADMIN, SYSTEM_PROJECT),
    Rule("identity:delete_service", ADMIN, SYSTEM_PROJECT),
    Rule("identity:check_token", "rule:admin_required or (role:reader and system_scope:all) or rule:token_subject", ANY),
    Rule("identity:validate_token",
         "rule:admin_required or (role:reader and system_scope:all) or rule:service_role or rule:token_subject", ANY),
    Rule("identity:revoke_token", "rule:admin_required or rule:token_subject", ANY),
    Rule("identity:create_trust", "user_id:%(target.trust.trustor_user_id)s", ("project",)),
    Rule("identity:list_trusts", READER, SYSTEM_PROJECT),
    Rule("identity:list_trusts_for_trustor",
         "(rule:admin_required) or (role:reader and system_scope:all or "
         "user_id:%(target.trust.trustor_user_id)s)", SYSTEM_PROJECT),
    Rule("identity:list_trusts_for_trustee",
         "(rule:admin_required) or (role:reader and system_scope:all or "
         "user_id:%(target.trust.trustee_user_id)s)", SYSTEM_PROJECT),
    Rule("identity:list_roles_for_trust", READ_TRUST, SYSTEM_PROJECT),
    Rule("identity:get_role_for_trust", READ_TRUST, SYSTEM_PROJECT),
    Rule("identity:delete_trust", "rule:admin_required or user_id:%(target.trust.trustor_user_id)s", SYSTEM_PROJECT),
    Rule("identity:get_trust", READ_TRUST, SYSTEM_PROJECT),
    Rule("identity:get_user",
         "(rule:admin_required) or (role:reader and system_scope:all) or (role:reader and "
         "token.domain.id:%(target.user.domain_id)s) or user_id:%(target.user.id)s", ANY),
    Rule("identity:list_users", LIST_IN_DOMAIN, ANY),
    Rule("identity:create_user", CHANGE_USER, ANY),
    Rule("identity:update_user", CHANGE_USER, ANY),
    Rule("identity:delete_user", CHANGE_USER, ANY),
    *EXTENSIONS,
)
