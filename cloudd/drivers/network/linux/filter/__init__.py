"""Who may send what: security groups and what else filters guests' packets, and the flows that end with a right."""
