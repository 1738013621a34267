"""What money may do: meters, escrow, journal entries, transfers, audit. Pure; amounts are nano-units."""
