"""The dataplane on this machine's own kernel: bridges, namespaces, nftables, dnsmasq.

Each network is a bridge without addresses in the dataplane's namespace. A network with DHCP also has a namespace of
its own, in which dnsmasq and the metadata sockets live; a router is a namespace with one veth per subnet. Guests are
filtered where their tap joins the bridge. What blocks runs in a few worker threads, which enter a namespace for the
time of one piece of work. Every interface carries its owner's full id in its alias, so that what exists can be told
from the kernel alone.
"""
