"""The rules of volumes."""
