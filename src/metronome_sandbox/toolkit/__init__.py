"""The contract-testing toolkit: a customer of the API, sandbox or real, that knows what every answer has to keep.

For those who build on the API: what their tests need. It talks HTTP and ASGI and imports nothing of the server.
"""
