"""The stand-in for Google sign-in: who exists there, and which client may ask."""

from __future__ import annotations

import json

from scripts.stack.settings import Settings

CLIENT_ID = "local-google-client"
CLIENT_SECRET = "local-google-secret"  # noqa: S105  (known to the stand-in only)
PEOPLE = {
    "ada@example.com": "Ada Lovelace",  # has a demo account already: signing in with Google lands on it
    "katherine@example.com": "Katherine Johnson",  # has none yet
}


def seed(settings: Settings) -> str:
    """The stand-in's configuration, as JSON."""
    users = [{"email": email, "name": name, "email_verified": True} for email, name in PEOPLE.items()]
    client = {
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
        "name": "Groundwork",
        "redirect_uris": [f"{settings.supabase_url}/auth/v1/callback"],
    }
    return json.dumps({"google": {"users": users, "oauth_clients": [client]}}, indent=2)
