"""Block storage: volumes, their snapshots and attachments. This is the face for the other modules."""
