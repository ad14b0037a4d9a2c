"""Where a domain's users and groups come from, when they are not cloudd's own."""
