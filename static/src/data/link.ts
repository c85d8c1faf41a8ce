/** The deep link: what is shown, written in the URL's fragment, so that a link shows the same again. */

export interface Place {
  model?: string;
  weights?: string;
  sample?: string; // a sample of this page, by name
  run?: string; // a run on the server, for drawings and uploads, as long as it is kept
  layer?: string;
  unit?: number[]; // [c, y, x], [c] for a map, or [i] of a vector
  scale?: string;
}

const NAMES = ["model", "weights", "sample", "run", "layer", "scale"] as const;

export function readPlace(fragment: string): Place {
  const query = new URLSearchParams(fragment.replace(/^#/, ""));
  const place: Place = {};
  for (const name of NAMES) {
    const value = query.get(name);
    if (value !== null && value !== "") place[name] = value;
  }
  const unit = query.get("unit");
  if (unit !== null && /^\d+(,\d+)*$/.test(unit)) place.unit = unit.split(",").map(Number);
  return place;
}

export function writePlace(place: Place): string {
  const parts = NAMES.flatMap((name) => (place[name] === undefined ? [] : [`${name}=${encodeURIComponent(place[name])}`]));
  if (place.unit !== undefined) parts.push(`unit=${place.unit.join(",")}`);
  return `#${parts.join("&")}`;
}
