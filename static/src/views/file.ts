/** A file that the page made, saved by the browser. */

import { h } from "../dom";

export function saveFile(content: Blob, name: string): void {
  const url = URL.createObjectURL(content);
  h("a", { href: url, download: name }).click();
  URL.revokeObjectURL(url);
}
