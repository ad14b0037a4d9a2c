"""A real guest."""

from tests.bench.figures import Figure


def figures(full: bool) -> list[Figure]:
    return []
