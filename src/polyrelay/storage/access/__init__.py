"""Who holds which key: the store that administers keys, and the directory that requests ask."""
