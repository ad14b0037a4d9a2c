"""Answers guests on the sockets that the network driver opens in tenants' networks.

Which server asks is told by the network that the socket belongs to and by the address it comes from, for which the network
driver vouches even where a guest may send from others': they name a port, and compute's own rows say whose NIC it is. Nothing
that a guest sends and nothing that a port's owner may write names a server, so nobody reads another's data.
"""

import asyncio

from aiohttp import web

from cloudd import network
from cloudd.compute.boot import metadata as metadata_content
from cloudd.compute.boot import metadata_tree as tree
from cloudd.compute.boot import spec as boot_spec
from cloudd.compute.metadata import sessions
from cloudd.compute.models import Server
from cloudd.compute.servers import interfaces
from cloudd.core import clock, log
from cloudd.core.errors import CloudError
from cloudd.core.parts import Parts
from cloudd.drivers.network.base import MetadataListener

LOG = log.get("cloudd.compute.metadata")
PASSWORD_BYTES = 255


class MetadataServer:
    """One HTTP server a listening socket; opened and closed as networks come and go."""

    def __init__(self, parts: Parts):
        self.parts = parts
        self._servers: dict[str, tuple[asyncio.Server, web.Server]] = {}

    async def start(self) -> None:
        await network.on_metadata(self.parts, self._appeared, self._gone)

    async def stop(self) -> None:
        for key in list(self._servers):
            await self._gone(key)

    async def _appeared(self, listener: MetadataListener) -> None:
        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            try:
                return await self._answer(listener.network_id, request)
            except CloudError as exc:
                return web.Response(status=exc.status, text=exc.message, headers=exc.headers)
        http = web.Server(answer, access_log=None)
        door = await asyncio.get_running_loop().create_server(http, sock=listener.socket.dup())
        self._servers[listener.key] = (door, http)

    async def _gone(self, key: str) -> None:
        if found := self._servers.pop(key, None):
            found[0].close()
            await found[1].shutdown(1.0)

    async def _answer(self, network_id: str, request: web.BaseRequest) -> web.StreamResponse:
        path = tree.folded(request.path)
        if path != sessions.PATH and request.method not in ("GET", "HEAD") and not (request.method == "POST" and tree.password_path(path)):
            return web.Response(status=405, text=f"{request.method} is not possible at /{path}")
        server_id = await self._who(network_id, request.remote or "")
        if server_id is None:
            LOG.warning("metadata asked by nobody we know", network=network_id, address=request.remote)
            return web.Response(status=404, text=f"No server has the address {request.remote} in this network.")
        if (answer := await self._by_token(server_id, path, request)) is not None:
            return answer
        if tree.password_path(path):
            return await self._password(server_id, request)
        async with self.parts.database.read() as tx:
            found = tree.find(metadata_content.of(await boot_spec.load(tx, server_id)), path)
        if found is None:
            return web.Response(status=404, text=f"There is no /{path} for this server.")
        kind = "application/json" if path.endswith(".json") else "text/plain"
        return web.Response(body=found, content_type=kind, charset=None if kind == "application/json" else "utf-8")

    async def _by_token(self, server_id: str, path: str, request: web.BaseRequest) -> web.Response | None:
        """The answer to who wants a session token, or sent one that does not hold; OpenStack's own tree knows none."""
        if path != sessions.PATH and (sessions.TOKEN not in request.headers or path.split("/")[0] == "openstack"):
            return None
        async with self.parts.database.read() as tx:
            seed = (await tx.get_one(Server, server_id)).random_seed
        now = clock.now().timestamp()
        return sessions.give(request, seed, now) if path == sessions.PATH else sessions.refusal(request, seed, now)

    async def _who(self, network_id: str, address: str) -> str | None:
        async with self.parts.database.read() as tx:
            port = await network.port_by_address(tx, network_id, address)
            server = await interfaces.of_port(tx, port.id) if port is not None else None
            return server.id if server is not None else None

    async def _password(self, server_id: str, request: web.BaseRequest) -> web.Response:
        """A guest may leave its (encrypted) password once; clearing it through the API lets it do so again."""
        if request.method != "POST":
            async with self.parts.database.read() as tx:
                server = await tx.get_one(Server, server_id)
            return web.Response(text=server.posted_password or "")
        sent = await request.content.read(PASSWORD_BYTES + 1)
        try:
            text = sent.decode("ascii")
        except UnicodeDecodeError:
            return web.Response(status=400, text="The password must be ASCII text.")
        if len(sent) > PASSWORD_BYTES:
            return web.Response(status=400, text=f"The password is longer than {PASSWORD_BYTES} bytes.")
        async with self.parts.database.write() as tx:
            server = await tx.get_one(Server, server_id)
            if server.posted_password:
                return web.Response(status=409, text="A password has been left already.")
            server.posted_password = text
        return web.Response()
