"""Which channel serves a call, and what follows a fault. Pure: time and chance come in as arguments."""
