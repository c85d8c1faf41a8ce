/** A time that begins anew whenever something happens, and ends when nothing has for a while. */

export class Spell {
  on = false;
  private readonly pause: number;
  private readonly ended: () => void;
  private timer = 0;

  /** `pause` in milliseconds. */
  constructor(pause: number, ended: () => void) {
    this.pause = pause;
    this.ended = ended;
  }

  begin(): void {
    this.on = true;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => {
      this.on = false;
      this.ended();
    }, this.pause);
  }
}
