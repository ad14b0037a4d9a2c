"""Routers, their interfaces and floating IPs."""
