"""What the options of an LDAP directory mean; entries that nobody can tell apart."""

import hashlib
import uuid

import pytest

from cloudd.drivers.directory.base import DirectoryError, Person
from cloudd.drivers.directory.ldap import _all, _escaped, _once, safe_name
from cloudd.drivers.directory.ldap_options import Options
from cloudd.identity.people import mirror

AD = {"user_enabled_attribute": "userAccountControl", "user_enabled_mask": 2, "user_enabled_default": "512"}


@pytest.mark.parametrize("options, value, enabled", [
    ({}, None, True), ({}, "TRUE", True), ({}, "true", True), ({}, "FALSE", False), ({}, "False", False), ({}, "", False),
    ({"user_enabled_default": "False"}, None, False), ({"user_enabled_default": False}, None, False),
    ({"user_enabled_invert": True, "user_enabled_default": "False"}, None, True),
    ({"user_enabled_invert": True}, "TRUE", False), ({"user_enabled_invert": "true"}, "FALSE", True),
    (AD, "512", True), (AD, "514", False), (AD, "66050", False), (AD, None, True), ({**AD, "user_enabled_mask": "2"}, "514", False)])
def test_who_is_enabled(options, value, enabled):
    assert Options(options).enabled.read(value) is enabled


@pytest.mark.parametrize("options, words", [
    ({"url": ""}, "no address|names no server"), ({"url": "http://x"}, "no address"), ({"url": "ldaps://x", "use_tls": True}, "exclude"),
    ({"query_scope": "all"}, "one, sub"), ({"tls_req_cert": "maybe"}, "demand"), ({"tls_cacertfile": "/nowhere"}, "tls_cacertfile")])
def test_what_makes_no_sense_is_said(options, words):
    with pytest.raises(DirectoryError, match=words):
        Options(options)


def test_trees_and_attributes():
    options = Options({"suffix": "dc=x", "user_attribute_ignore": "mail,description", "user_filter": "uid=*", "page_size": "7",
                       "user_additional_attribute_mapping": "sn:surname, o:mail, userPassword:password, cn:id", "url": "ldap://a,ldap://b:390"})
    assert (options.users.tree, options.groups.tree) == ("ou=Users,dc=x", "ou=UserGroups,dc=x")
    assert options.users.filter == "(uid=*)" and options.page_size == 7 and options.urls == ["ldap://a", "ldap://b:390"]
    assert options.users.description == "" and options.users.more == (("sn", "surname"),)


def test_filters_are_escaped():
    assert _escaped("cn", "a*)(uid=\\\0") == "a\\2a\\29\\28uid=\\5c\\00"


def test_guids_of_active_directory():
    key = uuid.uuid4()
    assert _all({"objectguid": [key.bytes_le]}, "objectguid") == [str(key)]
    assert _escaped("objectguid", str(key)) == "".join(f"\\{byte:02x}" for byte in key.bytes_le)
    assert _escaped("objectguid", "*") == "\\00"


def test_entries_of_one_name_are_left_out():
    people = [Person("1", "a"), Person("2", "a"), Person("3", "b")]
    assert _once([(str(number), {}) for number in range(3)], people, "users") == people[2:]


def test_dns_are_equal_in_any_spelling():
    assert safe_name("UID=Alice, ou=People,DC=x") == safe_name("uid=alice,OU=people,dc=X")
    assert safe_name("cn=a\\2cb\\c3\\a9,dc=x") == safe_name("cn=a\\,b\u00e9,dc=x") != safe_name("cn=a,cn=b\u00e9,dc=x")
    assert safe_name("no dn") == "no dn"


def test_ids_are_keystones():
    """SHA-256 of the values of a mapping in the order of its sorted names: domain_id, entity_type, local_id."""
    mapping = {"local_id": "alice", "domain_id": "default", "entity_type": "user"}
    digest = hashlib.sha256()
    for name in sorted(mapping):
        digest.update(mapping[name].encode())
    assert mirror.public_id("default", "user", "alice") == digest.hexdigest()
