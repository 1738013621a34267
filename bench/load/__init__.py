"""What surrounds a contender: the two upstreams behind it and the clients before it, all on the load core."""
