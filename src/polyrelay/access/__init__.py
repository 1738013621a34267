"""Keys, who holds them and what they may do. Pure."""
