"""How somebody proves who he is, and the tokens he gets for it."""
