"""The web console: index.html, self-contained."""
