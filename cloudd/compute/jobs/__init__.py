"""The long operations of compute; importing this registers them."""
