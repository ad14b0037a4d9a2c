"""Seeing what somebody else changes in the kernel, comparing it with what was applied, mending what differs."""
