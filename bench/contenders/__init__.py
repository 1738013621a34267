"""What is measured: one short adapter for each contender."""
