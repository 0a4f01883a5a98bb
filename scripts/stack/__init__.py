"""The local stack: what a hosted Supabase project offers, on 127.0.0.1 and without Docker."""
