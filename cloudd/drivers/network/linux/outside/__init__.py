"""What joins the dataplane to the outside: the host's cards, what may leave, who is heard."""
