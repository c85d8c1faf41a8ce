/** Whether anything is under way, as the page's element says it. */

export class Busy {
  private count = 0;
  private readonly element: HTMLElement;

  constructor(element: HTMLElement) {
    this.element = element;
  }

  async during(work: () => Promise<void>): Promise<void> {
    this.count += 1;
    this.element.dataset["busy"] = "true";
    try {
      await work();
    } finally {
      this.count -= 1;
      this.element.dataset["busy"] = String(this.count > 0);
    }
  }
}
