"""Files that are generated from a migrated database, so that they cannot tell another story."""
