"""What must survive the process, behind the service's ports; each store has an in-memory twin."""
