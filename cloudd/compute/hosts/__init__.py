"""The machines: what they have, what is used of it, and how an operator groups and disables them."""
