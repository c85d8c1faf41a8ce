/** Work where only the newest request counts: one runs, at most one waits, and a newer one takes the waiting place. */

export class Latest<T> {
  private readonly work: (request: T) => Promise<void>;
  private waiting: { request: T } | null = null;
  private running = false;

  constructor(work: (request: T) => Promise<void>) {
    this.work = work;
  }

  /** Runs `request` now, or after the one in progress unless a newer one comes first. */
  push(request: T): void {
    this.waiting = { request };
    if (!this.running) void this.drain();
  }

  /** What waits is not wanted any more. */
  forget(): void {
    this.waiting = null;
  }

  get busy(): boolean {
    return this.running;
  }

  private async drain(): Promise<void> {
    this.running = true;
    try {
      for (let next = this.take(); next !== null; next = this.take()) await this.work(next.request);
    } finally {
      this.running = false;
    }
  }

  private take(): { request: T } | null {
    const next = this.waiting;
    this.waiting = null;
    return next;
  }
}
