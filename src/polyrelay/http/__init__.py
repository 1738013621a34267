"""The client's side: the fast lane for relay routes, the ASGI application for everything else, one port."""
