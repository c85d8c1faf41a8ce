/** Numbers for people: figures that line up, a true minus sign, and no more digits than mean something. */

/** A value with four significant digits or so: 0.0312, −1.716, 127.4, 3.1e-7. */
export function figure(value: number): string {
  if (!Number.isFinite(value)) return "not finite";
  const size = Math.abs(value);
  if (value === 0) return "0";
  const text = size < 1e-4 || size >= 1e7 ? value.toExponential(2) : size >= 1000 ? value.toFixed(0) : size >= 100 ? value.toFixed(1) : size >= 1 ? value.toFixed(3) : value.toPrecision(3);
  return text.replace(/-/g, "\u2212");
}

/** A short value for a small cell: two or three digits, without the zero before the point. */
export function brief(value: number): string {
  const size = Math.abs(value);
  if (value === 0) return "0";
  if (!Number.isFinite(value)) return "×"; // a NaN or an infinity
  const text = size >= 100 ? value.toFixed(0) : size >= 10 ? value.toFixed(1) : size >= 0.005 ? value.toFixed(2) : value.toExponential(0);
  return text.replace(/^(-?)0\./, "$1.").replace(/-/g, "\u2212");
}

/** A probability as per cent with one decimal. */
export function percent(probability: number): string {
  return `${(probability * 100).toFixed(1)} %`;
}

/** A count with thousands separators. */
export function count(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ","); // the browser's own formats take 30 ms to load
}

/** A large count in short: 61.0 million. */
export function large(value: number): string {
  if (value >= 1e9) return `${(value / 1e9).toFixed(1)} billion`;
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)} million`;
  return count(value);
}

/** A shape as it is written here: channels x height x width. */
export function shapeText(shape: readonly number[]): string {
  return shape.join(" \u00d7 ");
}

/** A size in bytes, as downloads are told: 243.9 MB. */
export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

/** How long a download still takes: 38 s, 4 min, 2 h. */
export function timeLeft(seconds: number): string {
  if (seconds >= 5400) return `${Math.round(seconds / 3600)} h`;
  if (seconds >= 100) return `${Math.round(seconds / 60)} min`;
  return `${Math.max(1, Math.round(seconds))} s`;
}

/** How long at most, in the largest unit that fits. */
export function duration(seconds: number): string {
  if (seconds >= 7200) return `${Math.ceil(seconds / 3600)} hours`;
  if (seconds >= 120) return `${Math.ceil(seconds / 60)} minutes`;
  return `${seconds} seconds`;
}
