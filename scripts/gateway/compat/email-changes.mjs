/** Hosted Auth changes an address once both mailboxes have confirmed. Lite mails and asks the old one alone. */
import { createHash } from "node:crypto";

import { authPath, bodyOf } from "../http.mjs";
import { currentRequest } from "../request-context.mjs";

const ACCEPTED = "Confirmation link accepted. Please proceed to confirm link sent to the other email";

export const bothMailboxesConfirm = (driver, { site_url: siteUrl, email }) =>
  async function bothMailboxesConfirm(request, next) {
    const tokenHash = authPath(request) === "/verify" && (await emailChangeToken(request));
    if (!tokenHash || email?.double_confirm_changes === false) return next(request);
    if (await isFirstConfirmation(driver, tokenHash)) return accepted(request, siteUrl);
    await presentAsOldMailbox(driver, tokenHash);
    return next(request);
  };

async function emailChangeToken(request) {
  const isPost = request.method === "POST";
  const given = isPost ? await bodyOf(request) : Object.fromEntries(currentRequest().query);
  if (given.type !== "email_change") return null;
  if (!isPost) return given.token;
  return given.token_hash ?? hashOfCode(given.email ?? "", given.token ?? "");
}

const hashOfCode = (email, code) => createHash("sha256").update(email.toLowerCase() + code).digest("hex");

/** Uses the token up while the other mailbox's is still open. */
async function isFirstConfirmation(driver, tokenHash) {
  const used = await driver`
    update auth.users
    set email_change_token_current = nullif(email_change_token_current, ${tokenHash}),
        email_change_token_new = nullif(email_change_token_new, ${tokenHash})
    where ${tokenHash} in (email_change_token_current, email_change_token_new)
      and email_change_token_current is not null
      and email_change_token_new is not null
    returning 1`;
  return used.length > 0;
}

/** Lite completes a change only by the old mailbox's token; that one has confirmed already. */
const presentAsOldMailbox = (driver, tokenHash) => driver`
  update auth.users
  set email_change_token_current = email_change_token_new, email_change_token_new = null
  where email_change_token_new = ${tokenHash} and email_change_token_current is null`;

function accepted(request, siteUrl) {
  if (request.method === "POST") return Response.json({ code: 200, msg: ACCEPTED });
  const location = new URL(siteUrl);
  location.hash = new URLSearchParams({ message: ACCEPTED });
  return new Response(null, { status: 303, headers: { location: location.href } });
}
