"""What follows a job's end: calls to make and things to fetch, in SQL and in memory; and where the things lie."""
