/** Clients of the stack that the environment names, and the mail that they get. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { createClient } from "@supabase/supabase-js";

const { SUPABASE_URL, SUPABASE_ANON_KEY, SUPABASE_SERVICE_ROLE_KEY, MAIL_URL } = process.env;
const MAIL_PATIENCE_MS = 10_000;

export const PASSWORD = "correct horse 42";

export const newEmail = () => `${randomUUID()}@example.com`;

export const newClient = (key = SUPABASE_ANON_KEY) =>
  createClient(SUPABASE_URL, key, { auth: { persistSession: false, autoRefreshToken: false } });

export const serviceClient = () => newClient(SUPABASE_SERVICE_ROLE_KEY);

/** Somebody who has just signed up, with a client that shares nothing with others. */
export async function newPerson() {
  const client = newClient();
  const email = newEmail();
  const { data, error } = await client.auth.signUp({ email, password: PASSWORD });
  if (error) throw error;
  return { client, email, id: data.user.id };
}

export const claims = ({ access_token: token }) =>
  JSON.parse(Buffer.from(token.split(".")[1], "base64url").toString());

export const codeFor = async (email) => /code: (\d+)/.exec(await mailTo(email))[1];

export const linkFor = async (email) => /https?:\S+/.exec(await mailTo(email))[0];

async function mailTo(email) {
  const deadline = Date.now() + MAIL_PATIENCE_MS;
  while (Date.now() < deadline) {
    const mails = await (await fetch(`${MAIL_URL}/api/email`)).json();
    const mail = mails.findLast(({ to }) => to.some(({ address }) => address === email));
    if (mail) return mail.text;
    await sleep(50);
  }
  throw new Error(`no mail to ${email}`);
}
