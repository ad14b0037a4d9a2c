"""Ports: their addresses, what hangs on them, and the port that serves DHCP."""
