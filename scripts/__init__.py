"""What developers and DBAs run."""
