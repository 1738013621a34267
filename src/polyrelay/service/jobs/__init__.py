"""Long jobs: taken on with their hold, polled until they end, charged or refunded once."""
