"""What operators do, as use cases: they know ports, roles and the audit log, and nothing of HTTP or SQL."""
