"""The dataplane: networks, routers, ports, firewalls. `base.py` is the interface, the folders beside it implement it."""
