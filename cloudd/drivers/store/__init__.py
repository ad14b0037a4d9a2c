"""Where image and object data lie."""
