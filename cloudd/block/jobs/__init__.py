"""The long operations of block storage; importing this registers them."""
