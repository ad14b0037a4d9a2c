"""Operations on servers and on what hangs on them."""
