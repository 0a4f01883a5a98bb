/** The auth e-mails: Lite decides when, this module what and where to. */
import { createTransport } from "nodemailer";

import { mailedToken } from "./compat/email-pkce.mjs";
import { currentRequest } from "./request-context.mjs";

const SENDER = "Groundwork <noreply@localhost>";

export function createMailer({ smtpUrl, url, auth }, driver) {
  const transport = createTransport(smtpUrl);

  const link = async (tokenHash, type) => {
    const verify = new URL(`${url}/auth/v1/verify`);
    verify.searchParams.set("token", await mailedToken(driver, tokenHash));
    verify.searchParams.set("type", type);
    verify.searchParams.set("redirect_to", currentRequest().query.get("redirect_to") ?? auth.site_url);
    return verify.href;
  };

  const send = (to, subject, ...paragraphs) =>
    transport.sendMail({
      from: SENDER,
      to,
      subject,
      text: paragraphs.join("\n\n"),
      html: paragraphs.map((paragraph) => `<p>${linked(paragraph)}</p>`).join("\n"),
    });

  const linkAndCode = (subject, type) => async (email, tokenHash, code) =>
    send(email, subject, `Follow this link: ${await link(tokenHash, type)}`, `Or enter this code: ${code}`);

  const sendEmailChange = linkAndCode("Confirm the change of your e-mail address", "email_change");

  return {
    sendConfirmation: linkAndCode("Confirm your signup", "signup"),
    sendMagicLink: linkAndCode("Your magic link", "magiclink"),
    sendRecovery: linkAndCode("Reset your password", "recovery"),
    async sendEmailChange(email, tokenHash, code, { newEmail, tokenHashNew, tokenNew }) {
      await sendEmailChange(email, tokenHash, code);
      if (tokenHashNew) await sendEmailChange(newEmail, tokenHashNew, tokenNew);
    },
    sendReauthentication: (email, code) => send(email, "Confirm that it is you", `Enter this code: ${code}`),
  };
}

const escape = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/"/g, "&quot;");

const linked = (paragraph) => escape(paragraph).replace(/https?:\S+/g, (href) => `<a href="${href}">${href}</a>`);
