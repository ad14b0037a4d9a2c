"""Texts that users chose never make a header that cannot be sent, and never break a link."""

import asyncio
import uuid
from urllib.parse import quote, unquote

import pytest
from yarl import URL

ODD = ["two\nlines", "a\r\nSet-Cookie: x=y", "per%cent", "quest?ion", "ha#sh", "sl\\ash", "ünï", "\U0001f4a5", "a b", "tab\tbed", "%0a"]


@pytest.mark.parametrize("name", ODD)
async def test_a_newline_in_a_metadata_namespaces_name_is_no_500(cloud, name):
    name = f"{uuid.uuid4().hex}{name}"
    answer = await cloud.admin.post("/image/v2/metadefs/namespaces", {"namespace": name})
    assert answer.status == 201, answer.content
    assert answer.headers["Location"].isascii() and unquote(answer.headers["Location"]).endswith(f"/metadefs/namespaces/{name}")
    assert "Set-Cookie" not in answer.headers
    path = URL(answer.headers["Location"], encoded=True).raw_path
    async with cloud.admin.session.get(URL(cloud.admin.url + path, encoded=True), headers=cloud.admin.headers) as shown:
        assert (shown.status, (await shown.json())["namespace"]) == (200, name)


@pytest.mark.parametrize("tag", ODD)
async def test_odd_tags_of_projects_and_servers_are_no_500(cloud, tag):
    project = (await cloud.admin.post("/identity/v3/projects", {"project": {"name": uuid.uuid4().hex}})).body["project"]["id"]
    url = URL(f"{cloud.admin.url}/identity/v3/projects/{project}/tags/{quote(tag, safe='')}", encoded=True)
    async with cloud.admin.session.put(url, headers=cloud.admin.headers) as answer:
        assert answer.status == 201
        assert unquote(answer.headers["Location"]).endswith(f"/projects/{project}/tags/{tag}")


@pytest.mark.parametrize("host", [b"\xff\xfe", "ü.example".encode(), b'a"b', b"a b", b"a\tb", b"<script>"])
@pytest.mark.parametrize("path", ["/", "/identity/", "/identity/v3", "/image/versions", "/compute/v2.1/servers", "/openapi.json"])
async def test_a_host_that_is_none_is_a_bad_request(cloud, host, path):
    url = URL(cloud.admin.url)
    reader, writer = await asyncio.open_connection(url.host, url.port)
    writer.write(b"GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n" % (path.encode(), host))
    assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"HTTP/1.1 400 ")
    writer.close()
