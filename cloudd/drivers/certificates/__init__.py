"""Where the certificates are that images are signed with; OpenStack asks Barbican for them."""
