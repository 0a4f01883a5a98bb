import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import test from "node:test";

import { newClient, newPerson, serviceClient } from "./support.mjs";

test("insert, embed, update, delete", async () => {
  const { client, id } = await newPerson();
  const { data: project, error } = await client
    .from("projects")
    .insert({ name: "Engine", data: { list: [true, null] } })
    .select()
    .single();
  assert.equal(error, null);
  assert.equal(project.user_id, id);
  assert.deepEqual(project.data, { list: [true, null] });

  await client.from("tasks").insert([{ project_id: project.id, title: "a" }, { project_id: project.id, title: "b" }]);
  const { data: embedded } = await client.from("projects").select("name, tasks(title)").order("title", {
    referencedTable: "tasks",
  });
  assert.deepEqual(embedded, [{ name: "Engine", tasks: [{ title: "a" }, { title: "b" }] }]);

  const { data: renamed } = await client.from("projects").update({ name: "Mill" }).eq("id", project.id).select("name");
  assert.deepEqual(renamed, [{ name: "Mill" }]);
  assert.equal((await client.from("projects").delete().eq("id", project.id)).error, null);
  assert.equal((await client.from("projects").select("*", { count: "exact", head: true })).count, 0);
});

test("a function answers its row; its refusal is typed", async () => {
  const { client } = await newPerson();
  const slug = `s${randomUUID().slice(0, 8)}`;
  const { data } = await client.rpc("create_organization", { name: "Mills", slug });
  assert.equal(data.slug, slug);
  const { error, status } = await client.rpc("create_organization", { name: "Mills", slug });
  assert.equal(status, 409);
  assert.equal(error.code, "PT409");
  assert.equal(error.message, "conflict");
  assert.deepEqual(JSON.parse(error.details), { field: "slug" });
  assert.ok(error.hint);
});

test("the anon key sees nothing, the service role everything", async () => {
  const { id } = await newPerson();
  const { error, status } = await newClient().from("profiles").select();
  assert.equal(status, 401);
  assert.equal(error.code, "42501");
  const { data } = await serviceClient().from("profiles").select("id").eq("id", id);
  assert.deepEqual(data, [{ id }]);
});

test("files under a policy-free bucket belong to the service role", async () => {
  const bucket = `js-${randomUUID().slice(0, 8)}`;
  const service = serviceClient();
  assert.equal((await service.storage.createBucket(bucket)).error, null);
  const files = service.storage.from(bucket);
  for (const text of ["one", "two"]) {
    const upload = text === "one" ? files.upload.bind(files) : files.update.bind(files);
    assert.equal((await upload("a/b.txt", new Blob([text], { type: "text/plain" }))).error, null);
    const { data } = await files.download("a/b.txt");
    assert.equal(await data.text(), text);
    assert.equal(data.type, "text/plain");
  }
  const { data: signed } = await files.createSignedUrl("a/b.txt", 60);
  assert.equal(await (await fetch(signed.signedUrl)).text(), "two");

  const { client } = await newPerson();
  assert.notEqual((await client.storage.from(bucket).download("a/b.txt")).error, null);
  assert.notEqual((await client.storage.from(bucket).upload("mine", new Blob(["x"]))).error, null);
});

test("who founds organizations without end is told when to come back", async () => {
  const { client } = await newPerson();
  for (let founded = 0; ; founded++) {
    assert.ok(founded < 200, "nothing limits it");
    const { error, status } = await client.rpc("create_organization", { name: "More" });
    if (!error) continue;
    assert.equal(status, 429);
    assert.equal(error.message, "rate_limited");
    const { limit, retry_after: seconds } = JSON.parse(error.details);
    assert.equal(limit, "organizations");
    assert.ok(seconds > 0 && seconds <= 60);
    break;
  }
});
