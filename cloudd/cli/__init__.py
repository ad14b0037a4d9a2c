"""The `cloudd` command, one file a sub-command. Each is imported when it is called, so that `cloudd version` is instant."""
