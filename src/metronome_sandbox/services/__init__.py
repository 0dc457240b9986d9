"""One function for each API operation; they alone change state, each inside one store transaction."""
