"""What administration reads and writes, in SQL and in memory. `reading` serves requests, the rest is for operators."""
