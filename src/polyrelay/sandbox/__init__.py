"""A vendor simulator: a real HTTP server that speaks the upstream protocols, scripted, with faults."""
