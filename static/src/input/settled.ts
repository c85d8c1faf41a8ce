/** Work that waits until nothing has asked for it for a while, such as writing the link while a drawing grows. */

export class Settled {
  private readonly work: () => void;
  private readonly pause: number;
  private timer = 0;

  /** `pause` in milliseconds. */
  constructor(pause: number, work: () => void) {
    this.pause = pause;
    this.work = work;
  }

  ask(): void {
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(this.work, this.pause);
  }
}
