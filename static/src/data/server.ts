/** A server that has gone: waiting until it answers again. */

import { pause } from "../dom";
import { Problem, type Api } from "./api";

/** How long until a server that did not answer is asked again, in milliseconds. */
const AGAIN = 2000;

/** Whether nobody answered. */
export const isGone = (error: unknown): error is Problem => error instanceof Problem && error.status === 0;

/** What is said where the page waits for a server that is gone or gets ready, and then does what was asked; other errors as they are. */
export function willGoOn(error: unknown): unknown {
  if (isGone(error)) return new Problem(0, error.type, `${error.message} The page goes on by itself when it is back.`);
  if (error instanceof Problem && willPass(error) && error.is("weights-not-ready")) return new Problem(error.status, error.type, "The server is still unpacking this network's numbers. The page goes on by itself when they are there.");
  return error;
}

/** Whether it is worth asking again: the server says when, or has too much to do. */
export const willPass = (error: unknown): boolean => error instanceof Problem && (error.retryAfter !== null || error.status === 503);

let back: Promise<void> | null = null;

/** Comes back when the server answers; however many wait, it is asked once. The page's `data-server` says "gone" meanwhile. */
export function untilAlive(api: Api): Promise<void> {
  return back ??= ask(api).finally(() => { back = null; });
}

async function ask(api: Api): Promise<void> {
  document.body.dataset["server"] = "gone";
  while (!(await api.alive())) await pause(AGAIN);
  document.body.dataset["server"] = "back";
}
