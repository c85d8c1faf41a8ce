/** The browser's graphics, before the page has a context of its own: a worker's context starts them, and tells when they are free.
 *
 * The page's first canvas stands still until the browser has started its graphics, up to a second, and each first answer of
 * WebGL until they are done with what lies before it. The worker does the waiting.
 */

import { pause } from "../dom";

/** How long the page waits for the graphics to start before it goes on without them, in milliseconds. */
const STARTING = 8000;

/** Graphics that answer the worker within so many milliseconds have nothing else to do. */
const AT_ONCE = 15;

/** How often they are asked, in milliseconds. */
const PAUSE = 20;

let worker: Worker | null = null; // stays: while one ends, the page stands still until its context is gone
let asked = 0; // so often
let answered: (number: number) => void = () => undefined;

/** After the browser has started its graphics; at once where it has no workers. */
export async function startGraphics(root: string): Promise<void> {
  try {
    worker = new Worker(`${root}/static/warm.js`, { type: "module" });
  } catch {
    return;
  }
  worker.onmessage = ({ data: number }: MessageEvent<number>) => { answered(number); };
  worker.onerror = () => {
    worker = null; // it did not come, or is too much for this browser
    answered(asked);
  };
  await ask(worker, STARTING);
}

/** After the graphics have nothing else to do, or that many milliseconds, as some page never rests. */
export async function freeGraphics(patience: number): Promise<void> {
  const until = performance.now() + patience;
  while (worker !== null && performance.now() < until) {
    const begun = performance.now();
    await ask(worker, until - begun);
    if (performance.now() - begun < AT_ONCE) return;
    await pause(PAUSE);
  }
}

/** After the worker has answered, or that many milliseconds. */
function ask(of: Worker, patience: number): Promise<void> {
  asked += 1;
  const answer = new Promise<void>((resolve) => {
    answered = (number) => { if (number === asked) resolve(); }; // and not one that comes late
  });
  of.postMessage(asked);
  return Promise.race([answer, pause(patience)]);
}
