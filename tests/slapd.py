"""An LDAP directory of the tests' own: Debian's slapd on a loopback port, with a certificate, in a temporary directory."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import ldap3

from cloudd.core import tls
from tests.waiting import until_ready

SLAPD = Path("/usr/sbin/slapd")
SUFFIX = "dc=example,dc=org"
ROOT, ROOT_PASSWORD = f"cn=root,{SUFFIX}", "root-of-tests"
READER, READER_PASSWORD = f"cn=reader,{SUFFIX}", "reader-of-tests"
PEOPLE, PARTIES = f"ou=People,{SUFFIX}", f"ou=Teams,{SUFFIX}"
SECONDS = 20
CONFIG = """
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
TLSCACertificateFile {ca}
TLSCertificateFile {certificate}
TLSCertificateKeyFile {key}
loglevel none
database mdb
maxsize 16777216
suffix "{suffix}"
rootdn "{root}"
rootpw {root_password}
directory {data}
sizelimit size.soft=20 size.hard=20 size.prtotal=unlimited
access to attrs=userPassword by anonymous auth by * none
access to * by users read by * none
"""
TREE = f"""
dn: {SUFFIX}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: {READER}
objectClass: applicationProcess
objectClass: simpleSecurityObject
cn: reader
userPassword: {READER_PASSWORD}

dn: {PEOPLE}
objectClass: organizationalUnit
ou: People

dn: {PARTIES}
objectClass: organizationalUnit
ou: Teams
"""


@dataclass
class Slapd:
    """A directory that may be stopped and started again; entries are written by its root."""

    directory: Path
    port: int
    tls_port: int
    ca: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"ldap://127.0.0.1:{self.port}"

    @property
    def ldaps(self) -> str:
        return f"ldaps://127.0.0.1:{self.tls_port}"

    def start(self) -> None:
        self.process = subprocess.Popen([SLAPD, "-d", "0", "-f", self.directory / "slapd.conf", "-h", f"{self.url}/ {self.ldaps}/"],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until_ready(self.port, SECONDS)
        until_ready(self.tls_port, SECONDS)

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(SECONDS)
            self.process = None

    def root(self) -> ldap3.Connection:
        return ldap3.Connection(self.url, ROOT, ROOT_PASSWORD, auto_bind=True, raise_exceptions=True)

    def person(self, uid: str, password: str = "", **more: str) -> str:
        """A new person; the DN."""
        dn = f"uid={uid},{PEOPLE}"
        values = {"uid": uid, "cn": uid, "sn": uid.title(), "mail": f"{uid}@example.org", "employeeType": "TRUE", **more}
        with self.root() as root:
            root.add(dn, "inetOrgPerson", {**values, **({"userPassword": password} if password else {})})
        return dn

    def party(self, name: str, *members: str) -> str:
        dn = f"cn={name},{PARTIES}"
        with self.root() as root:
            root.add(dn, "groupOfNames", {"cn": name, "description": f"Team {name}", "member": [*members] or [ROOT]})
        return dn

    def change(self, dn: str, **values: str | list[str]) -> None:
        with self.root() as root:
            root.modify(dn, {name: [(ldap3.MODIFY_REPLACE, value if isinstance(value, list) else [value])]
                             for name, value in values.items()})

    def remove(self, dn: str) -> None:
        with self.root() as root:
            root.delete(dn)


@contextmanager
def server(directory: Path, port: int, tls_port: int) -> Iterator[Slapd]:
    """A running directory with nobody in it but a reader."""
    if not SLAPD.exists():
        raise RuntimeError("slapd is not installed: apt-get install slapd")
    data = directory / "data"
    data.mkdir(parents=True)
    paths = tls.ensure(directory / "tls", ["127.0.0.1"])
    (directory / "slapd.conf").write_text(CONFIG.format(ca=paths.ca, certificate=paths.certificate, key=paths.key, suffix=SUFFIX,
                                                        root=ROOT, root_password=ROOT_PASSWORD, data=data))
    (directory / "tree.ldif").write_text(TREE.lstrip())
    subprocess.run(["/usr/sbin/slapadd", "-q", "-f", directory / "slapd.conf", "-l", directory / "tree.ldif"], check=True,
                   timeout=SECONDS, capture_output=True)
    made = Slapd(directory, port, tls_port, Path(paths.ca or ""))
    made.start()
    try:
        yield made
    finally:
        made.stop()


def options(slapd: Slapd, **changes: object) -> dict[str, object]:
    """`[ldap]` for the directory's tree."""
    return {"url": slapd.url, "user": READER, "password": READER_PASSWORD, "suffix": SUFFIX, "query_scope": "sub",
            "user_tree_dn": PEOPLE, "user_objectclass": "inetOrgPerson", "user_id_attribute": "uid", "user_name_attribute": "cn",
            "user_enabled_attribute": "employeeType", "group_tree_dn": PARTIES, "group_id_attribute": "cn",
            "group_name_attribute": "cn", "connection_timeout": 5, **changes}
