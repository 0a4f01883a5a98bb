/** Lite, and around it the adaptations that make it answer as hosted Supabase does. */
import { App, setExperimental } from "@supabase/lite";

import { createMint } from "./access-tokens.mjs";
import { typedAuthInputs } from "./compat/auth-inputs.mjs";
import { verifiedBearers } from "./compat/bearer-tokens.mjs";
import { checkedBodies } from "./compat/bodies.mjs";
import { bothMailboxesConfirm } from "./compat/email-changes.mjs";
import { openToBrowsers } from "./compat/cors.mjs";
import { emailPkce, rememberedChallenge } from "./compat/email-pkce.mjs";
import { folderListings } from "./compat/folder-listings.mjs";
import { signInAtStandIn } from "./compat/google-sign-in.mjs";
import { hookedTokens } from "./compat/hooked-tokens.mjs";
import { boundedMetadata } from "./compat/metadata-size.mjs";
import { plainUploads } from "./compat/multipart-uploads.mjs";
import { signedUrls } from "./compat/signed-urls.mjs";
import { emailIsMagiclink } from "./compat/verify-types.mjs";
import { liteConfig } from "./lite-config.mjs";
import { createMailer } from "./mail.mjs";
import { withRequest } from "./request-context.mjs";
import { health, keySet, openDoorsOnly, safely } from "./routes.mjs";
import { FileStorage } from "./storage.mjs";

/** Answers a Fetch API handler: `(Request, { peerAddress }) → Promise<Response>`. */
export async function createGateway({ settings, connection, tokens }) {
  const { driver } = connection;
  setExperimental("storage", true);
  const app = new App({ connection, ...liteConfig(settings, tokens.liteSecret) });
  app._storageAdapter = new FileStorage(settings.storageDirectory);
  app._mailer = createMailer(settings, driver);
  await app.init();

  const mint = createMint({ driver, tokens, hook: settings.auth.tokenHook });
  const adaptations = [
    openToBrowsers,
    safely,
    health(connection),
    keySet(tokens.jwks),
    openDoorsOnly,
    checkedBodies,
    typedAuthInputs,
    hookedTokens(mint),
    rememberedChallenge,
    emailPkce({ driver, tokens }),
    bothMailboxesConfirm(driver, settings.auth),
    signInAtStandIn(settings.googleUrl),
    emailIsMagiclink,
    plainUploads,
    signedUrls(tokens),
    folderListings,
    verifiedBearers(tokens),
    boundedMetadata(driver),
  ];
  return (request, peer) =>
    withRequest(request, () => compose(adaptations, (adapted) => app.fetch(adapted, peer))(request));
}

const compose = (adaptations, last) =>
  adaptations.reduceRight((next, adaptation) => (request) => adaptation(request, next), last);
