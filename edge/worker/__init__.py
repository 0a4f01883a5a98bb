"""The worker: takes jobs from the queue in Postgres, does them, and fires schedules."""
