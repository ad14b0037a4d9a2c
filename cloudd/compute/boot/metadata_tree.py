"""Both trees of one server as paths: files, and listings of what lies below a path.

OpenStack's: docs.openstack.org/nova, "Metadata"; a listing has a line an entry. EC2's: the "Instance metadata" chapter of the
EC2 user guide; entries with something below end in a slash, public keys are listed as NUMBER=NAME.
"""

import posixpath
from collections.abc import Mapping

from cloudd.compute.boot import metadata as metadata_content
from cloudd.compute.boot.metadata import EC2_VERSIONS, VERSIONS, Content

PASSWORD_SINCE = VERSIONS.index("2013-04-04")


def folded(path: str) -> str:
    """A path with its doubled slashes, `.` and `..` folded, as Nova reads it."""
    return posixpath.normpath("/" + path.lstrip("/")).strip("/")


def password_path(path: str) -> bool:
    """Whether a path is where a guest leaves its administrator's password, and fetches it."""
    parts = path.split("/")
    return (len(parts) == 3 and parts[0] == "openstack" and parts[2] == "password" and parts[1] in VERSIONS
            and VERSIONS.index(parts[1]) >= PASSWORD_SINCE)


def find(content: Content, path: str) -> bytes | None:
    """The file at a path, else the listing of what lies below, else None."""
    path = path.strip("/")
    if path == "openstack" or path.startswith("openstack/"):
        return _openstack(content, path)
    return _ec2(content, path)


def _openstack(content: Content, path: str) -> bytes | None:
    if path == "openstack":
        return "\n".join(VERSIONS).encode()
    files = metadata_content.openstack_tree(content)
    if path in files:
        return files[path]
    below = _below(files, path)
    if below and password_path(f"{path}/password"):
        below.append("password")
    return "\n".join(sorted(below)).encode() if below else None


def _ec2(content: Content, path: str) -> bytes | None:
    if not path:
        return "\n".join(EC2_VERSIONS).encode()
    version, _, rest = path.partition("/")
    if version not in EC2_VERSIONS:
        return None
    files = metadata_content.ec2_paths(content)
    if rest in files:
        return files[rest]
    if rest == "meta-data/public-keys" and "public-keys" in content.ec2:
        return "\n".join(key["_name"] for key in content.ec2["public-keys"].values()).encode()
    if not rest:
        return "\n".join(["meta-data/", *(["user-data"] if "user-data" in files else [])]).encode()
    below = _below(files, rest)
    return "\n".join(sorted(below)).encode() if below else None


def _below(files: Mapping[str, bytes], path: str) -> list[str]:
    """The entries one level below a path; those with something below them end in a slash."""
    start = f"{path}/"
    entries = {}
    for name in files:
        if name.startswith(start):
            head, slash, _ = name[len(start):].partition("/")
            entries[head + slash] = True
    return list(entries)
