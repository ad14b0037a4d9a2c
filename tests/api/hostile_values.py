"""What nobody would send who means well: values, bodies that are no JSON, headers, parameters."""

NOBODY = "00000000-0000-4000-8000-000000000000"
LONG = b"9" * 5000
SCALARS = [None, True, False, 0, -1, 1, 2**31, 2**63 - 1, 2**63, 2**64 - 1, -2**63, 1e308, 1.5, -0.0]
TEXTS = [
    "", " ", "x", "x" * 300, "x" * 5000, "\n", "a\r\nX-Forged: yes", "a\tb", "\x1b[2J", "\x7f", "\x85", "\u2028", "\u202e",
    "\U0001f4a5", "\ufffe", "e\u0301", "\xe9" * 130, "\u0663", "\xb2", "1e5", "0x10", "1_000", " 5", "-1", "+1", "1.5", "NaN",
    "99999999999999999999", "9" * 5000, "true", "null", "None", "self", "../../etc/passwd", "/", "//", ".", "..", "%", "%00", "%s%n",
    "{}", "{0.__class__}", "' OR 1=1 --", '"', "\\", "*", "?", "#", "a,b", ",", ":", "=", "a:b", "[", "(", "a(", "(a+)+$", "in:",
    'in:a,"b', "gt:", "gt:x", "neq:", "lt:9999-99-99", "!x", "regex:(", NOBODY, "00000000000040008000000000000000", "default",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30", "2026-01-01T00:00:00Z", "T", "24:00", "1.2.3.4", "::",
    "::ffff:1.2.3.4", "fe80::1%eth0", "1.2.3.4/33", "10.0.0.0/8", "::/0", "0.0.0.0/0", "256.0.0.1", "01.02.03.04", "00:00:00:00:00:00",
    "ff:ff:ff:ff:ff:ff", "aa-bb-cc-dd-ee-ff", "http://", "http://[", "http://[::1", "http://x:99999/", "file:///etc/passwd", "data:,x",
    "ssh-rsa AAAA", "====", "AAAA", "tcp", "router_interface"]
NESTS = [[], {}, [None], [[]], [{}], {"": ""}, {"a": None}, {"x" * 300: "x"}, {"a\nb": "c\nd"}, ["x", "x"], [1, "1", True], {"id": None},
         {"id": "x"}, [{"id": 5}]]
RAW = [
    b"", b"null", b"[]", b"{}", b"5", b'"x"', b"[" * 2000, b'{"a":' * 500 + b"1" + b"}" * 500, b'{"a":1,"a":2}', b'{"a":"\\ud800"}',
    b'{"a":"\\u0000"}', b'{"a":1e999}', b'{"a":' + b"9" * 400 + b"}", b'{"a":NaN}', b"\xff\xfe{\x00}\x00", b"\xef\xbb\xbf{}",
    b'{"a":"\xff"}', b"{" + b" " * 10_000 + b"}", b"{", b"a=b&c=d"]
HEADERS = [
    (b"Content-Type", b""), (b"Content-Type", b"text/plain"), (b"Content-Type", b"application/json; charset=utf-16"),
    (b"Content-Type", b"\xff\xfe"), (b"Content-Type", b"multipart/form-data"),
    (b"Content-Type", b"application/openstack-images-v2.1-json-patch"), (b"Accept", b"\xff"), (b"Accept", b"text/html"),
    (b"Accept", b"*/*;q=x"), (b"Host", b""), (b"Host", b"\xff"), (b"Host", b"a b"), (b"Host", b"[::1"), (b"Host", b"x:99999"),
    (b"Host", b"x/../y"), (b"X-Auth-Token", b"\xff\xfe"), (b"X-Auth-Token", b""), (b"X-Auth-Token", b"gAAAAA" + LONG),
    (b"X-Subject-Token", b"\xff"), (b"X-Subject-Token", b"gAAAA="), (b"X-OpenStack-Request-ID", b"\xff"),
    (b"X-OpenStack-Request-ID", b"req-" + LONG), (b"OpenStack-API-Version", b"\xff"), (b"OpenStack-API-Version", b"compute latest"),
    (b"OpenStack-API-Version", b"compute 99999999999999999999.1"), (b"OpenStack-API-Version", b"compute " + LONG + b".1"),
    (b"X-OpenStack-Nova-API-Version", b"latest"), (b"If-Match", b"\xff"), (b"If-Match", b"revision_number=x"),
    (b"If-Match", b"revision_number=" + LONG), (b"If-None-Match", b"*"), (b"If-Modified-Since", b"x"), (b"If-Range", b"\xff"),
    (b"Range", b"bytes=\xb2-"), (b"Range", b"bytes=9999999999999999999999-"), (b"Range", b"bytes=5-1"), (b"Range", b"x"),
    (b"Content-Range", b"bytes 0-0/\xc2\xb2"), (b"Cookie", b"\xff=\xff; token=\xff"), (b"Authorization", b"Basic \xff"),
    (b"Authorization", b"Basic =="), (b"Authorization", b"OAuth oauth_consumer_key"), (b"Authorization", b"Bearer"),
    (b"Origin", b"\xff"), (b"Referer", b"\xff"), (b"X-Forwarded-For", b"\xff"), (b"X-Forwarded-Proto", b"\xff"),
    (b"User-Agent", b"\xff" * 300), (b"X-Image-Meta-Store", b"\xff"), (b"Upgrade", b"websocket"), (b"Expect", b"x"),
    (b"Content-Encoding", b"gzip"), (b"Transfer-Encoding", b"gzip"), (b"X-HTTP-Method-Override", b"DELETE"), (b"X-Roles", b"admin")]
PARAMETERS = [
    "limit", "marker", "sort_key", "sort_dir", "sort", "fields", "page_reverse", "name", "id", "status", "all_tenants", "project_id",
    "tenant_id", "user_id", "changes-since", "changes-before", "created_at", "updated_at", "deleted", "ip", "ip6", "host", "flavor",
    "image", "tags", "tags-any", "not-tags", "tag", "visibility", "size_min", "size_max", "member_status", "os_hidden", "fixed_ips",
    "network_id", "revision_number", "mac_address", "enabled", "domain_id", "parent_id", "scope", "effective", "include_names",
    "role.id", "is_public", "detailed", "start", "end", "offset", "length", "name__contains", "password_expires_at", "expires_at",
    "usage", "reverse", "is_admin_state_up", "minRam", "minDisk", "protocol", "service_type", "x"]
