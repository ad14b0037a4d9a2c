"""Disks in files, and the tools of the machine for them: used by the drivers that keep disks."""
