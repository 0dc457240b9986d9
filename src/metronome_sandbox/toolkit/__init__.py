"""The contract-testing toolkit: a customer of the API, sandbox or real, that knows what every answer has to keep.

It reaches its target by HTTP or ASGI and imports nothing of the server.
"""
