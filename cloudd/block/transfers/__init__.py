"""The rules of transfers from project to project."""
