"""The control plane's HTTP side: FastAPI, imported only once it is asked for."""
