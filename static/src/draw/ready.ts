/** When 2D canvases may be drawn on. A page's first canvas stands still until the browser has started its graphics: up to
 * a second. So a worker starts them, and until then the page shows itself without a canvas. */

const waiting: (() => void)[] = [];
let open = false;

/** Does the work now, or as soon as canvases can be drawn on. */
export function whenDrawable(work: () => void): void {
  if (open) work();
  else waiting.push(work);
}

export const drawable = (): boolean => open;

/** From now on canvases are drawn on; what waited is done piece by piece. */
export function letDraw(): void {
  open = true;
  for (const work of waiting.splice(0)) setTimeout(work);
}
