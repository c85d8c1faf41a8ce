/** The colours of what is drawn over the plates, and text with a halo that keeps it readable over maps. */

export interface Ink {
  text: string;
  dim: string;
  line: string;
  accent: string;
  positive: string;
  negative: string;
  halo: string;
  sans: string;
}

export function inkOf(element: HTMLElement): Ink {
  const style = getComputedStyle(element);
  const token = (name: string): string => style.getPropertyValue(name).trim();
  return {
    text: token("--text"), dim: token("--dim"), line: token("--edge"), accent: token("--accent"),
    positive: token("--positive"), negative: token("--negative"), halo: token("--halo"), sans: token("--sans"),
  };
}

export function write(c: CanvasRenderingContext2D, ink: Ink, text: string, x: number, y: number, font: string, colour: string): void {
  c.font = font;
  c.lineWidth = 3;
  c.strokeStyle = ink.halo;
  c.strokeText(text, x, y);
  c.fillStyle = colour;
  c.fillText(text, x, y);
}
