"""Jobs in SQL, and the holds of open ones in the books."""
