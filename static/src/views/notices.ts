/** Sentences at the top of the page: what went wrong, and what is worth knowing though nobody made a mistake. */

import { button, byId, calm } from "../dom";

/** What an error says, for a place of its own. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Shows what went wrong, or takes it away (null). */
export function say(error: unknown): void {
  const alert = byId("alert");
  alert.hidden = error === null;
  const words = error instanceof Error ? error.message : "Something went wrong on this page. Reload it and try again.";
  alert.replaceChildren(...(error === null ? [] : [words, button("Close", () => { say(null); }, { class: "tool" })]));
  if (error !== null && !calm()) alert.animate([{ opacity: 0 }, { opacity: 1 }], 250);
}

/** How long a note stands if nobody closes it: until a run is answered, until the reader goes on to another picture or network. */
export type Until = "answer" | "choice" | "closed";

/** Says something that is no mistake of anybody's, or takes it away (null). */
export function note(text: string | null, until: Until = "closed"): void {
  const place = byId("notice");
  place.hidden = text === null;
  place.dataset["until"] = until;
  place.replaceChildren(...(text === null ? [] : [text, button("Close", () => { note(null); }, { class: "tool" })]));
}

/** What a note was waiting for has come. */
export function pass(...events: Exclude<Until, "closed">[]): void {
  const place = byId("notice");
  if (!place.hidden && events.some((event) => event === place.dataset["until"])) note(null);
}
