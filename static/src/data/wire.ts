/** What the REST API answers (the contract is the server's OpenAPI document). Sizes in pixels, times in ms. */

export interface Accuracy {
  dataset: string;
  top1: number; // a fraction, 0 to 1
  images: number;
}

export interface WeightsInfo {
  id: string;
  title: string;
  classes: number;
  trained: boolean;
  ready: boolean;
  bundled: boolean;
  pullable: boolean;
  bytes: number;
  accuracy: Accuracy | null;
  precisions: string[]; // what `precision` may be, "fp32" first
}

export interface Model {
  id: string;
  title: string;
  family: string;
  year: number | null;
  summary?: string;
  input: { channels: number; height: number; width: number };
  parameters: number;
  multiply_adds: number;
  units: number;
  weights: WeightsInfo[];
  default_weights: string;
}

export interface Layer {
  name: string;
  op: string;
  inputs: string[];
  shape: number[]; // [C, H, W] or [N]
  kernel: [number, number] | null;
  stride: [number, number] | null;
  padding: [number, number, number, number] | null; // top, left, bottom, right
  dilation: [number, number] | null;
  groups: number | null;
  parameters: number;
  fixed?: number;
  nonzero: number | null;
  multiply_adds: number;
  connections: number | null;
  receptive_field: [number, number] | null;
  formula: string | null;
  activation?: string | null;
  table?: number[][] | null; // for each input map the output maps it is joined to; null where to all of its group
}

export type SaliencyMethod = "cam" | "grad_cam" | "occlusion";

/** Passes through the network that a map takes; 0 of 0 where it has not begun. */
export interface SaliencyProgress {
  done: number;
  of: number;
}

export interface ModelDetail extends Model {
  labels: string[];
  tour: boolean; // whether it has a guided tour
  saliency: SaliencyMethod[]; // the ways to ask where it looked, the quickest first
  layers: Layer[];
  edges: [string, string][];
}

export interface Prediction {
  index: number;
  label: string;
  probability: number;
}

/** A prediction alone, nothing kept. */
export interface Answer {
  precision: string;
  predictions: Prediction[];
  elapsed_ms: Record<string, number>;
}

export interface Run {
  id: string;
  model: string;
  weights: string;
  precision: string; // what it was computed with
  image: { width: number; height: number; sha256: string };
  predictions: Prediction[];
  unfamiliar: boolean; // it looks like none of the classes
  elapsed_ms: Record<string, number>;
  expires_at: string;
}

/** Weights that are fetched on demand, and how far they are. */
export interface Pull {
  model: string;
  title: string; // of the network
  weights: string;
  classes: number;
  state: "absent" | "waiting" | "pulling" | "checking" | "ready" | "failed" | "cancelled";
  done: number; // bytes
  bytes: number;
  rate: number; // bytes a second
  seconds_left: number | null;
  error: string | null;
  allowed: boolean; // whether this page may pull
  command: string;
}

/** A block of numbers of one input map; `weights` is null where the operator has none. */
export interface Source {
  layer: string;
  channel: number;
  top: number;
  left: number;
  values: number[][];
  weights: number[][] | null;
}

export interface Explanation {
  layer: string;
  op: string;
  unit: number[]; // [c, y, x] or [i]
  value: number;
  receptive_field: { top: number; left: number; height: number; width: number };
  sources: Source[];
  bias: number | null;
  sum: number | null;
  activation: string | null;
  expression: string;
  alpha?: number | null;
  beta?: number | null;
  size?: number | null;
}

/** A guided tour; its texts hold placeholders for the figures of the layer table. */
export interface TourStep {
  title: string;
  text: string;
  layer: string | null;
  unit: number[] | null;
  emphasise: string[];
  show: "window" | null;
}

export interface Tour {
  title: string;
  steps: TourStep[];
}
