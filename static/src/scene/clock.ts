/** Frames on demand, and motion that ends: nothing is drawn unless something has changed or moves. */

import { calm } from "../dom";

interface Motion {
  start: number;
  duration: number;
  step: (t: number) => void; // eased, 0 to 1
  eased: boolean;
  done: (() => void) | undefined;
}

const ease = (t: number): number => (t < 0.5 ? 4 * t ** 3 : 1 - (-2 * t + 2) ** 3 / 2);

export class Clock {
  /** Frames drawn since the page was opened. */
  frames = 0;
  /** How long the last frame was after the one before, in milliseconds. */
  lastFrame = 0;
  /** How long the last frame that was asked for had to wait, in milliseconds: for the browser to be done with the one before. */
  waited = 0;
  private readonly motions = new Map<string, Motion>();
  private readonly draw: (moving: boolean) => void;
  private asked = 0;
  private before = 0;
  private later = 0;

  constructor(draw: (moving: boolean) => void) {
    this.draw = draw;
  }

  /** Asks for a frame; with a `pause`, for one within so many milliseconds, as more is to be shown by then. */
  ask(pause = 0): void {
    if (this.asked !== 0) return;
    if (pause > 0) {
      if (this.later === 0) this.later = window.setTimeout(() => { this.later = 0; this.ask(); }, pause);
      return;
    }
    const since = performance.now();
    this.asked = requestAnimationFrame((now) => {
      this.waited = performance.now() - since;
      this.frame(now);
    });
  }

  get moving(): boolean {
    return this.motions.size > 0;
  }

  /** Moves something in so many milliseconds, in place of what moved it before; at once where the reader wants calm. */
  move(name: string, duration: number, step: (t: number) => void, done?: () => void, eased = true): void {
    if (calm() || duration === 0) {
      this.motions.delete(name);
      step(1);
      done?.();
    } else {
      this.motions.set(name, { start: performance.now(), duration, step, eased, done });
    }
    this.ask();
  }

  /** Whether that motion is in progress. */
  moves(name: string): boolean {
    return this.motions.has(name);
  }

  stop(name: string): void {
    this.motions.delete(name);
  }

  private frame(now: number): void {
    this.asked = 0;
    window.clearTimeout(this.later); // this frame shows what that one would have
    this.later = 0;
    this.lastFrame = this.moving && now - this.before < 1000 ? now - this.before : 0;
    this.before = now;
    for (const [name, motion] of this.motions) {
      const t = Math.min(Math.max((now - motion.start) / motion.duration, 0), 1);
      motion.step(motion.eased ? ease(t) : t);
      if (t < 1) continue;
      if (this.motions.get(name) === motion) this.motions.delete(name);
      motion.done?.();
    }
    this.frames += 1;
    this.draw(this.moving);
    if (this.moving) this.ask();
  }
}
