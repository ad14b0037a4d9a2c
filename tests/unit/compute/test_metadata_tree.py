"""The paths of the metadata service."""

import orjson
import pytest

from cloudd.compute.boot import metadata_tree as tree
from cloudd.compute.boot.metadata import Content

CONTENT = Content({"uuid": "u", "name": "one"}, {"links": []}, b"#!/bin/sh\n",
                  {"instance-id": "i-1", "placement": {"availability-zone": "nova"},
                   "public-keys": {"0": {"_name": "0=mine", "openssh-key": "ssh-rsa AAAA"}}}, (b"file",))
BARE = Content({"uuid": "u"}, {}, None, {"instance-id": "i-1"})


@pytest.mark.parametrize(("path", "text"), [
    ("", "1.0\n2007-01-19\n2007-03-01\n2007-08-29\n2007-10-10\n2007-12-15\n2008-02-01\n2008-09-01\n2009-04-04\nlatest"),
    ("latest", "meta-data/\nuser-data"),
    ("latest/meta-data/", "instance-id\nplacement/\npublic-keys/"),
    ("2009-04-04/meta-data/instance-id", "i-1"),
    ("latest/meta-data/placement/", "availability-zone"),
    ("latest/meta-data/placement/availability-zone", "nova"),
    ("latest/meta-data/public-keys/", "0=mine"),
    ("latest/meta-data/public-keys/0/", "openssh-key"),
    ("latest/meta-data/public-keys/0/openssh-key", "ssh-rsa AAAA"),
    ("latest/user-data", "#!/bin/sh\n"),
    ("openstack/latest/user_data", "#!/bin/sh\n"),
    ("openstack/content/0000", "file"),
    ("openstack/2012-08-10", "meta_data.json\nuser_data"),
    ("openstack/2018-08-27/", "meta_data.json\nnetwork_data.json\npassword\nuser_data\nvendor_data.json\nvendor_data2.json"),
])
def test_paths(path, text):
    assert tree.find(CONTENT, path).decode() == text


def test_the_list_of_versions_ends_in_latest():
    assert tree.find(CONTENT, "openstack").decode().splitlines()[-2:] == ["2020-10-14", "latest"]


def test_json():
    assert orjson.loads(tree.find(CONTENT, "openstack/latest/meta_data.json")) == {"uuid": "u", "name": "one"}


@pytest.mark.parametrize("path", ["latest/user-data", "openstack/latest/user_data", "latest/meta-data/nothing", "other",
                                  "openstack/1999-01-01/meta_data.json", "latest/meta-data/public-keys/", "openstack/latest/../x"])
def test_what_is_not_there(path):
    assert tree.find(BARE, path) is None


@pytest.mark.parametrize(("path", "plain"), [
    ("/", ""), ("//", ""), ("//latest//meta-data/", "latest/meta-data"), ("/latest/./meta-data/.", "latest/meta-data"),
    ("/openstack/../latest/user-data", "latest/user-data"), ("/../../etc", "etc"), ("latest", "latest")])
def test_paths_are_folded_as_nova_folds_them(path, plain):
    assert tree.folded(path) == plain


def test_where_passwords_are_left():
    assert tree.password_path("openstack/2013-10-17/password") and tree.password_path("openstack/latest/password")
    assert not tree.password_path("openstack/2012-08-10/password") and not tree.password_path("latest/password")
