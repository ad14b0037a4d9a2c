"""What a guest is started with: its hardware, disks and domain, and what the hypervisor says of it."""
