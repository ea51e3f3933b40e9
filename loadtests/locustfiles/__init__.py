"""Ready load tests for Locust: see README.md. Each file also works alone, copied elsewhere."""
