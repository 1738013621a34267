"""The vocabulary between protocols: what was asked, what was used, how it ended, what went wrong upstream."""
