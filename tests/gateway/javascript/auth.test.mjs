import assert from "node:assert/strict";
import test from "node:test";

import { PASSWORD, claims, codeFor, linkFor, newClient, newEmail, newPerson } from "./support.mjs";

test("sign-up, sign-out, sign-in", async () => {
  const client = newClient();
  const email = newEmail();
  const { data: signedUp } = await client.auth.signUp({ email, password: PASSWORD });
  assert.equal(claims(signedUp.session).user_role, "user");
  assert.equal((await client.auth.signOut()).error, null);
  const { data, error } = await client.auth.signInWithPassword({ email, password: PASSWORD });
  assert.equal(error, null);
  assert.equal(data.user.id, signedUp.user.id);
});

test("the client verifies its own token by the published key", async () => {
  const { client, id } = await newPerson();
  const { data, error } = await client.auth.getClaims();
  assert.equal(error, null);
  assert.equal(data.claims.sub, id);
  assert.equal(data.header.alg, "ES256");
});

test("a one-time code", async () => {
  const client = newClient();
  const email = newEmail();
  assert.equal((await client.auth.signInWithOtp({ email })).error, null);
  const { data, error } = await client.auth.verifyOtp({ email, token: await codeFor(email), type: "email" });
  assert.equal(error, null);
  assert.deepEqual(claims(data.session).amr.map(({ method }) => method), ["otp"]);
});

test("a magic link leads back to where the app asked, with a session", async () => {
  const client = newClient();
  const email = newEmail();
  const emailRedirectTo = "http://127.0.0.1:3000/welcome";
  await client.auth.signInWithOtp({ email, options: { emailRedirectTo } });
  const response = await fetch(await linkFor(email), { redirect: "manual" });
  const location = new URL(response.headers.get("location"));
  assert.equal(location.origin + location.pathname, emailRedirectTo);
  const fragment = new URLSearchParams(location.hash.slice(1));
  const { data, error } = await client.auth.setSession({
    access_token: fragment.get("access_token"),
    refresh_token: fragment.get("refresh_token"),
  });
  assert.equal(error, null);
  assert.equal(data.user.email, email);
});

test("refresh rotates and keeps the session's method", async () => {
  const { client } = await newPerson();
  const { data: before } = await client.auth.getSession();
  const { data: after, error } = await client.auth.refreshSession();
  assert.equal(error, null);
  assert.notEqual(after.session.refresh_token, before.session.refresh_token);
  assert.deepEqual(claims(after.session).amr, claims(before.session).amr);
});

test("password reset", async () => {
  const { email } = await newPerson();
  const client = newClient();
  await client.auth.resetPasswordForEmail(email);
  await client.auth.verifyOtp({ email, token: await codeFor(email), type: "recovery" });
  assert.equal((await client.auth.updateUser({ password: "another horse 43" })).error, null);
  const { error } = await newClient().auth.signInWithPassword({ email, password: PASSWORD });
  assert.equal(error.code, "invalid_credentials");
});

test("a wrong password is a typed error", async () => {
  const { email } = await newPerson();
  const { error } = await newClient().auth.signInWithPassword({ email, password: "wrong horse 42" });
  assert.equal(error.name, "AuthApiError");
  assert.equal(error.status, 400);
  assert.equal(error.code, "invalid_credentials");
});
