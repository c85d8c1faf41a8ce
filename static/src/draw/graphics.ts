/** The browser's graphics, before the page has a context of its own: a worker's context starts them, and tells when they are free.
 *
 * The page's first canvas stands still until the browser has started its graphics, up to a second, and each first answer of
 * WebGL until they are done with what lies before it. The worker does the waiting.
 */

/** How long the page waits for the graphics to start before it goes on without them, in milliseconds. */
const STARTING = 8000;

/** Graphics that answer the worker within so many milliseconds have nothing else to do. */
const AT_ONCE = 15;

/** How often they are asked, in milliseconds. */
const PAUSE = 20;

const pause = (milliseconds: number): Promise<void> => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

let worker: Worker | null = null; // stays: while one ends, the page stands still until its context is gone

/** After the browser has started its graphics. */
export async function startGraphics(root: string): Promise<void> {
  worker = new Worker(`${root}/static/warm.js`, { type: "module" });
  await Promise.race([answer(worker), pause(STARTING)]);
}

/** After the graphics have nothing else to do, or that many milliseconds, as some page never rests. */
export async function freeGraphics(patience: number): Promise<void> {
  const until = performance.now() + patience;
  while (worker !== null && performance.now() < until) {
    const asked = performance.now();
    worker.postMessage(null);
    await Promise.race([answer(worker), pause(patience)]);
    if (performance.now() - asked < AT_ONCE) return;
    await pause(PAUSE);
  }
}

function answer(from: Worker): Promise<void> {
  return new Promise((resolve) => {
    from.onmessage = from.onerror = () => { resolve(); };
  });
}
