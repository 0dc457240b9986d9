"""JSON into commands and values into JSON, one module for each subject.

A request's body is decoded by msgspec straight into a Struct that names the fields of the contract, so that a JSON
number becomes a ``Decimal`` without a float in between; the module turns it into the service's command. An answer is a
tree of builtins with ``Decimal`` that the gateway checks against the contract and encodes.
"""
