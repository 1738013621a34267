"""The command line: thin commands over the same service functions the API uses."""
