/** Lite sends the browser to Google; the local stack has a stand-in for it. */
import { authorizeAt } from "../google.mjs";
import { authPath, withLocation } from "../http.mjs";

export const signInAtStandIn = (googleUrl) =>
  async function googleStandIn(request, next) {
    const response = await next(request);
    const location = response.headers.get("location");
    if (authPath(request) !== "/authorize" || !location) return response;
    return withLocation(response, authorizeAt(googleUrl, location));
  };
