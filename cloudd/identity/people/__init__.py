"""Users, groups, projects and domains, the roles that they have, and where they are kept."""
