"""What workers do in the books, and the money that operators move; with the twins in memory."""
