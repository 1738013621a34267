"""Reading the books: audit, statements, usage, deductions, and what customers are told. Nothing here moves money."""
