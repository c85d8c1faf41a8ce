/** Whether anything is under way, as the page's element says it, and whether it is for longer than a moment. */

/** Milliseconds after which a reader wonders. */
const MOMENT = 600;

export class Busy {
  private count = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private readonly element: HTMLElement;

  constructor(element: HTMLElement) {
    this.element = element;
  }

  async during(work: () => Promise<void>): Promise<void> {
    if (this.count === 0) this.timer = setTimeout(() => { this.element.dataset["slow"] = "true"; }, MOMENT);
    this.count += 1;
    this.element.dataset["busy"] = "true";
    try {
      await work();
    } finally {
      this.count -= 1;
      this.element.dataset["busy"] = String(this.count > 0);
      if (this.count === 0) {
        clearTimeout(this.timer);
        delete this.element.dataset["slow"];
      }
    }
  }
}
