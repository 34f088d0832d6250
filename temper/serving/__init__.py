"""An exported model → a server of predictions over HTTP, here or in a container."""
