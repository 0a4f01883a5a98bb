"""The thin service between the world and Postgres: it verifies, calls one SQL function, and answers."""
