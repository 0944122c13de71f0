"""Lines between a client and a server that break where a test says so."""
