"""One module for each tag of the contract: parse, call the service, render."""
