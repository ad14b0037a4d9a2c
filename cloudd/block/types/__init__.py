"""Volume types: which there are, and what they say of their volumes."""
