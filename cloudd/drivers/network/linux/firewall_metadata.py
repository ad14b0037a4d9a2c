"""Who asks the metadata service, and who hears its answers: one port's own tap, MAC and address, together.

The service tells its guests apart by the address that a question comes from. What a port may send from is more than that: the
addresses of its pairs are another guest's at will, and without port security all are. So to the service and from it a frame
passes by its port's own address only. What is not from a tap of ours (the LAN, the host) is nobody's question.
"""

from cloudd.drivers.network.linux.dhcp import METADATA4, METADATA6
from cloudd.drivers.network.linux.nft import Chain

ICMP6, TCP = 58, 6

# A namespace strips tags of VLAN 0, so its interface is told of no frame that is not plain. Neighbours may be told of pairs
# from there, too: a router asks for them with any of its link-local addresses.
ASKED = Chain((
    "ether type != { arp, ip, ip6 } drop",
    f"ether type ip ip daddr {METADATA4} iifname . ether saddr . ip saddr != @asks4 drop",
    f"ether type ip6 ip6 daddr {METADATA6} ip6 nexthdr != {ICMP6} iifname . ether saddr . ip6 saddr != @asks6 drop",
))
# Whoever made the service believe that an address is at his MAC, or the bridge that a MAC is at his tap, hears nothing.
ANSWERED = Chain((
    f"ether type ip ip saddr {METADATA4} oifname . ether daddr . ip daddr != @asks4 drop",
    f"ether type ip6 ip6 saddr {METADATA6} meta l4proto {TCP} oifname . ether daddr . ip6 daddr != @asks6 drop",
))
CHAINS = {"asked": ASKED, "answered": ANSWERED}
