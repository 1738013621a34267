"""The server's secrets, what is sealed with them, and how they are changed."""
