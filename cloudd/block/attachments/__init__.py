"""The rules of attachments: who may have a volume, and how it is given back."""
