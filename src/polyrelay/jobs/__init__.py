"""Work that outlives its request: what a job is, which ways it can go, and what happens to its money on each. Pure."""
