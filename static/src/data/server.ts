/** A server that has gone: waiting until it answers again. */

import type { Api } from "./api";

/** How long until a server that did not answer is asked again, in milliseconds. */
const AGAIN = 2000;

/** Comes back when the server answers; meanwhile the page's `data-server` says "gone". */
export async function untilAlive(api: Api): Promise<void> {
  document.body.dataset["server"] = "gone";
  while (!(await api.alive())) await new Promise((resolve) => { setTimeout(resolve, AGAIN); });
  document.body.dataset["server"] = "back";
}
