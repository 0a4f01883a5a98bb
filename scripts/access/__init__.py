"""Access as state: policy files, the migrations stamped from them, and what the catalogue says."""
