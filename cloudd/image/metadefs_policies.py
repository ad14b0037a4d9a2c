"""Who may do what with metadata definitions: upstream's names and defaults (glance/policies/metadef.py)."""

from cloudd.core.policy import Rule

READ = "rule:context_is_admin or (role:reader and (project_id:%(project_id)s or 'public':%(visibility)s))"
LIST = "rule:context_is_admin or (role:reader and project_id:%(project_id)s)"
WRITE = "rule:metadef_admin"
PROJECT = ("project",)
READERS = ("get_metadef_namespace", "get_metadef_object", "get_metadef_objects", "list_metadef_resource_types",
           "get_metadef_resource_type", "get_metadef_property", "get_metadef_properties", "get_metadef_tag", "get_metadef_tags")
WRITERS = ("modify_metadef_namespace", "add_metadef_namespace", "delete_metadef_namespace", "modify_metadef_object",
           "add_metadef_object", "delete_metadef_object", "add_metadef_resource_type_association",
           "remove_metadef_resource_type_association", "modify_metadef_property", "add_metadef_property", "remove_metadef_property",
           "modify_metadef_tag", "add_metadef_tag", "add_metadef_tags", "delete_metadef_tag", "delete_metadef_tags")

POLICIES = (Rule("metadef_admin", "rule:context_is_admin"), Rule("get_metadef_namespaces", LIST, PROJECT),
            *(Rule(name, READ, PROJECT) for name in READERS), *(Rule(name, WRITE, PROJECT) for name in WRITERS))
