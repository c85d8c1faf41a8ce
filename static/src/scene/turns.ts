/** What a frame draws: names and plates, unless both together would keep the page from answering. */

export interface Wanted {
  names: boolean; // what is written is not what it should be
  plates: boolean; // what is drawn is not
  apart: boolean; // both stand where they stood: the one may be seen before the other
}

export interface Turn {
  names: boolean;
  plates: boolean;
  all: boolean; // nothing is left for the next frame
}

/** Where both are wanted and may come apart, they take turns: plates first. */
export class Turns {
  private waiting = false; // names have left a frame to the plates

  next({ names, plates, apart }: Wanted): Turn {
    if (!(names && plates && apart)) {
      this.waiting &&= !names;
      return { names, plates, all: true };
    }
    this.waiting = !this.waiting;
    return { names: !this.waiting, plates: this.waiting, all: false };
  }
}
