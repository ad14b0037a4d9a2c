"""The rules of snapshots."""
