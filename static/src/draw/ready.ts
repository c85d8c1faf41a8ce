/** What waits for the browser's graphics, so that the page shows itself and answers meanwhile.
 *
 * Until a worker has started them (graphics.ts) the page shows itself without a canvas. What can wait longer is done when
 * the scene stands.
 */

class Gate {
  private readonly waiting: (() => void)[] = [];
  open = false;

  /** Does the work now, or as soon as the gate opens. */
  readonly pass = (work: () => void): void => {
    if (this.open) work();
    else this.waiting.push(work);
  };

  /** What waited is done piece by piece. */
  readonly lift = (): void => {
    this.open = true;
    for (const work of this.waiting.splice(0)) setTimeout(work);
  };
}

const canvases = new Gate();
const scene = new Gate();

/** Does the work now, or as soon as canvases can be drawn on. */
export const whenDrawable = canvases.pass;

export const drawable = (): boolean => canvases.open;

/** From now on canvases are drawn on. */
export const letDraw = canvases.lift;

/** Does the work now, or when the scene stands, or will not. */
export const whenStarted = scene.pass;

export const letRest = scene.lift;
