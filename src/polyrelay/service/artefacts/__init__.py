"""What jobs made, fetched from upstreams and served by the relay."""
