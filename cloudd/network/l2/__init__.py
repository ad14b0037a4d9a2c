"""Networks, subnets, ports and the addresses that they hand out."""
