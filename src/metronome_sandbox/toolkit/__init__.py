"""For those who build on the billing API: what their tests need. Talks HTTP and ASGI, like any customer."""
