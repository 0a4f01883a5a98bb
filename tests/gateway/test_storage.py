"""Storage with supabase-py, under policies like those an app writes."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import httpx
import jwt
import psycopg
import pytest
from psycopg import sql
from storage3.exceptions import StorageApiError

from scripts.stack.stack import Stack
from supabase import Client
from tests.gateway.conftest import NewPerson
from tests.gateway.people import Person, claims_of

HELLO = b"hello, \xff\x00 world"


@pytest.fixture
def bucket(local_stack: Stack, service: Client) -> Iterator[str]:
    """A private bucket in which everybody has a folder of their own."""
    name = f"files-{uuid.uuid4().hex[:8]}"
    service.storage.create_bucket(name)
    with psycopg.connect(local_stack.superuser_url(), autocommit=True) as connection:
        policy, literal = sql.Identifier(name), sql.Literal(name)
        connection.execute(
            sql.SQL(
                "create policy {policy} on storage.objects to authenticated using ("
                "bucket_id = {bucket} and (storage.foldername(name))[1] = (select auth.uid())::text)"
            ).format(policy=policy, bucket=literal)
        )
        yield name
        connection.execute(sql.SQL("drop policy {} on storage.objects").format(policy))


def test_up_and_down(person: Person, bucket: str) -> None:
    files = person.client.storage.from_(bucket)
    path = f"{person.id}/notes/hello.bin"
    files.upload(path, HELLO, {"content-type": "application/octet-stream"})
    assert files.download(path) == HELLO


def test_a_folder_lists_its_files_and_folders(person: Person, bucket: str) -> None:
    files = person.client.storage.from_(bucket)
    for name in ("b", "a", "sub/c", "sub/d"):
        files.upload(f"{person.id}/{name}", HELLO)
    entries = files.list(person.id)
    assert [entry["name"] for entry in entries] == ["a", "b", "sub"]
    assert [entry["id"] is None for entry in entries] == [False, False, True]
    assert [entry["name"] for entry in files.list(f"{person.id}/sub", {"limit": 1, "offset": 1})] == ["d"]


def test_a_file_of_json_is_a_file(person: Person, bucket: str) -> None:
    files = person.client.storage.from_(bucket)
    for content in (b"[1]", b"not json"):
        files.upload(f"{person.id}/a.json", content, {"content-type": "application/json", "upsert": "true"})
        assert files.download(f"{person.id}/a.json") == content


def test_replacing_moving_and_removing(person: Person, bucket: str) -> None:
    files = person.client.storage.from_(bucket)
    files.upload(f"{person.id}/a", b"one")
    files.update(f"{person.id}/a", b"two")
    files.move(f"{person.id}/a", f"{person.id}/b")
    assert files.download(f"{person.id}/b") == b"two"
    files.remove([f"{person.id}/b"])
    with pytest.raises(StorageApiError):
        files.download(f"{person.id}/b")


def test_a_second_upload_does_not_overwrite(person: Person, bucket: str) -> None:
    files = person.client.storage.from_(bucket)
    files.upload(f"{person.id}/a", b"one")
    with pytest.raises(StorageApiError, match="already exists"):
        files.upload(f"{person.id}/a", b"two")
    assert files.download(f"{person.id}/a") == b"one"


def test_folders_are_private(new_person: NewPerson, bucket: str) -> None:
    owner, stranger = new_person(), new_person()
    path = f"{owner.id}/secret"
    owner.client.storage.from_(bucket).upload(path, HELLO)
    theirs = stranger.client.storage.from_(bucket)
    with pytest.raises(StorageApiError):
        theirs.download(path)
    with pytest.raises(StorageApiError):
        theirs.upload(path, b"overwritten", {"upsert": "true"})
    with pytest.raises(StorageApiError):
        theirs.upload(f"{owner.id}/planted", b"planted")
    assert theirs.remove([path]) == []
    assert owner.client.storage.from_(bucket).download(path) == HELLO


def test_a_signed_url_opens_one_object(person: Person, bucket: str) -> None:
    files = person.client.storage.from_(bucket)
    files.upload(f"{person.id}/a", HELLO)
    files.upload(f"{person.id}/b", HELLO)
    url = files.create_signed_url(f"{person.id}/a", 60)["signedURL"]
    assert url
    assert httpx.get(url).content == HELLO
    assert httpx.get(url.replace("/a?", "/b?")).status_code in (400, 403)
    assert httpx.get(url.split("?")[0]).status_code == 400


def test_a_signed_url_needs_a_token_of_storage(http: httpx.Client, person: Person, bucket: str) -> None:
    files = person.client.storage.from_(bucket)
    files.upload(f"{person.id}/a", HELLO)
    url = files.create_signed_url(f"{person.id}/a", 60)["signedURL"]
    assert url
    claims = claims_of(url.split("token=")[1])
    forged = jwt.encode(claims, "guessed" * 8)
    unsigned = jwt.encode(claims, None, algorithm="none")  # type: ignore[arg-type]
    for token in (forged, unsigned, person.token, "nonsense"):
        for method, path in [("GET", "sign"), ("PUT", "upload/sign")]:
            url = f"/storage/v1/object/{path}/{bucket}/{person.id}/a"
            response = http.request(method, url, params={"token": token}, content=b"planted")
            assert response.status_code == 400
            assert (response.json()["statusCode"], response.json()["error"]) == ("400", "InvalidJWT")
    assert files.download(f"{person.id}/a") == HELLO


@pytest.mark.parametrize(
    "name", ["../../../outside", "..%2f..%2foutside", "a/../../b", "%00", "é☃/x y", "x" * 200]
)
def test_no_name_leaves_the_storage_directory(
    local_stack: Stack, http: httpx.Client, person: Person, bucket: str, name: str
) -> None:
    def outside() -> set[str]:
        root = local_stack.settings.state
        paths = (path.relative_to(root) for path in root.rglob("*"))
        return {str(path) for path in paths if path.parts[0] not in ("storage", "postgres", "logs")}

    before = outside()
    url = f"/storage/v1/object/{bucket}/{person.id}/{name}"
    response = http.post(url, content=HELLO, headers={**person.headers, "content-type": "text/plain"})
    assert response.status_code in (200, 400, 404)
    assert outside() == before
    if response.status_code == 200:
        assert http.get(url, headers=person.headers).content == HELLO
