/** What a link opens: its network and weights where the server has them, and else something instead, which is said. */

import { forgetUnit, type Place } from "./link";
import type { Model, ModelDetail } from "./wire";

export interface Opening {
  model: Model;
  weights: string;
  known: boolean; // the network is the link's, or the link names none
  told: string | null; // what of the link this server has not got
}

/** Null where there is no network at all. Without one in the link: the first trained of one channel, for which a digit draws itself. */
export function openingOf(place: Place, models: readonly Model[]): Opening | null {
  const named = models.find((one) => one.id === place.model);
  const model = named ?? models.find((one) => one.input.channels === 1 && trained(one)) ?? models[0];
  if (model === undefined) return null;
  const known = named !== undefined || place.model === undefined;
  const weights = known && model.weights.some((one) => one.id === place.weights) ? place.weights : undefined;
  const told = !known ? `This server has no network “${place.model ?? ""}”, which the link names: here is ${model.title}.`
    : weights === undefined && place.weights !== undefined ? `${model.title} has no weights “${place.weights}”, which the link names: here are its usual ones.`
      : null;
  return { model, weights: weights ?? model.default_weights, known, told };
}

function trained(model: Model): boolean {
  return model.weights.some((weights) => weights.id === model.default_weights && weights.trained);
}

/** What to say of a layer that a link names and the network has not, which is forgotten; null where there is none. */
export function goneLayer(place: Place, model: ModelDetail): string | null {
  const { layer } = place;
  if (layer === undefined || model.layers.some((one) => one.name === layer)) return null;
  forgetUnit(place);
  return `${model.title} has no layer “${layer}”, which the link names.`;
}
