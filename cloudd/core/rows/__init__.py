"""Rows by the thousand: read as plain values, found by many keys at once."""
