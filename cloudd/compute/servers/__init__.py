"""What may be done with a server: the rules behind its operations, a file a subject."""
