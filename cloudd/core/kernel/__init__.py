"""Asking the kernel of the machine, and hearing what it tells."""
