"""The contract, bundled and as compiled checks."""
