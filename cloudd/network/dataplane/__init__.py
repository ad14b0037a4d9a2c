"""What is told to the network driver, when, and what is done about a difference."""
