/** The figures of a tour's texts: `{CONV1.parameters}` is filled from the layer table, never typed. */

import { count, large, shapeText } from "./number";
import type { Layer, ModelDetail } from "./wire";

const two = (size: readonly number[] | null): string => {
  const [first = 0, second = first] = size ?? [];
  return `${first}×${second}`;
};
const one = (size: readonly number[] | null): string => (size === null ? "" : size.every((side) => side === size[0]) ? String(size[0] ?? "") : size.join("×"));

const OF_LAYER: Record<string, (layer: Layer) => string> = {
  shape: (layer) => shapeText(layer.shape),
  channels: (layer) => count(layer.shape[0] ?? 0),
  height: (layer) => String(layer.shape[1] ?? 1),
  width: (layer) => String(layer.shape[2] ?? 1),
  kernel: (layer) => two(layer.kernel),
  stride: (layer) => one(layer.stride),
  padding: (layer) => one(layer.padding),
  groups: (layer) => String(layer.groups ?? 1),
  parameters: (layer) => count(layer.parameters),
  fixed: (layer) => count(layer.fixed ?? 0),
  multiply_adds: (layer) => large(layer.multiply_adds),
  connections: (layer) => count(layer.connections ?? 0),
  receptive_field: (layer) => two(layer.receptive_field),
  formula: (layer) => layer.formula ?? "",
  inputs: (layer) => layer.inputs.join(", "),
};

const OF_MODEL: Record<string, (model: ModelDetail) => string> = {
  title: (model) => model.title,
  year: (model) => String(model.year ?? ""),
  parameters: (model) => count(model.parameters),
  multiply_adds: (model) => large(model.multiply_adds),
  units: (model) => count(model.units),
  layers: (model) => String(model.layers.length),
  classes: (model) => count(model.labels.length),
};

/** The text with every placeholder filled; the last dot parts layer and figure. Throws where nothing fills one. */
export function fillFigures(text: string, model: ModelDetail): string {
  return text.replace(/\{([^{}]*)\}/g, (whole, inside: string) => {
    const dot = inside.lastIndexOf(".");
    const [name, figure] = [inside.slice(0, Math.max(dot, 0)), inside.slice(dot + 1)];
    const layer = model.layers.find((candidate) => candidate.name === name);
    const filled = name === "model" ? OF_MODEL[figure]?.(model) : layer === undefined ? undefined : OF_LAYER[figure]?.(layer);
    if (filled === undefined) throw new Error(`The tour asks for ${whole}, which ${model.title} does not have.`);
    return filled;
  });
}
