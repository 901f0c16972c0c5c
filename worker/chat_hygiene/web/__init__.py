"""The web process: health, metrics, and the endpoint that the provider calls. It deletes nothing and opens no provider."""
