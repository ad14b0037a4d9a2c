"""Flavors and what their extra specs ask for."""
