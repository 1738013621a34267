"""Logs, metrics and traces; the only place that formats them, and where secrets are redacted."""
