"""Screens and serial lines of guests in the browser: tickets that open one once, proxies that speak websocket, pages.

A ticket is asked for through the API (`POST /servers/{id}/remote-consoles`); its address is on the caller's own origin. The
daemon itself is the proxy, so no other port is open, and no guest's console listens on a network.
"""

from cloudd.compute.consoles.proxy import ConsoleProxy
from cloudd.compute.consoles.tickets import ConsoleType, Ticket, find, make, redeem, require_console

__all__ = ["ConsoleProxy", "ConsoleType", "Ticket", "find", "make", "redeem", "require_console"]
