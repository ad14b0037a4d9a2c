"""Clients that go away in the midst of a download."""

import asyncio
import logging

from yarl import URL

from tests.waiting import until

SIZE = 48 << 20


async def test_an_aborted_download_is_one_log_line(cloud, caplog):
    image = (await cloud.demo.post("/image/v2/images", {"name": "big", "disk_format": "raw", "container_format": "bare"})).body["id"]
    path = f"/image/v2/images/{image}/file"
    sent = await cloud.demo.request("PUT", path, data=bytes(SIZE), headers={"Content-Type": "application/octet-stream"})
    assert sent.status == 204, sent.content
    caplog.clear()
    with caplog.at_level(logging.INFO):
        url = URL(cloud.demo.url)
        reader, writer = await asyncio.open_connection(url.host, url.port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nX-Auth-Token: {cloud.demo.headers['X-Auth-Token']}\r\n\r\n".encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        await reader.readexactly(1 << 20)
        writer.transport.abort()

        async def told():
            return any(path in record.getMessage() for record in caplog.records)
        await until(told, 20)
    assert len(caplog.records) == 1, caplog.text
    record = caplog.records[0]
    assert record.levelno == logging.INFO and record.name == "cloudd.access" and not record.exc_info
