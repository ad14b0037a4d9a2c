"""Volumes: where the disks lie that outlive their servers."""
