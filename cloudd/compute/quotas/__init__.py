"""How much a project may have, how much it has, and how that is told."""
