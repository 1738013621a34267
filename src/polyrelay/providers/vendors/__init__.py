"""One short file a vendor; they do not know each other and only the registry names them."""
