"""Words everyone shares: ids, clock, bounds and the error tree. Imports nothing of the house."""
