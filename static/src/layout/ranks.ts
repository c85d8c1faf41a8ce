/** Which layers stand side by side: ranks from the input up, and lanes for branches. Pure, by edges alone.
 *
 * The rank of a layer is the length of the longest way to it. Ranks of several layers in a row form a stretch, in which
 * every branch keeps a lane of its own, so that it reads from below as one straight line.
 */

export interface Node {
  name: string;
}

/** A run of ranks that share their lanes; a rank of a single layer is a stretch of one lane. */
export interface Stretch {
  lanes: number;
  ranks: { index: number; lane: number }[][]; // layers of each rank, by their index in the table
}

export type Edges = readonly (readonly [from: string, to: string])[];

/** Inputs of every layer as indices, in the order of the edges; edges that name no layer, or lead backwards, are left out. */
export function inputsOf(nodes: readonly Node[], edges: Edges): number[][] {
  const at = new Map(nodes.map((node, index) => [node.name, index]));
  const inputs: number[][] = nodes.map(() => []);
  for (const [from, to] of edges) {
    const source = at.get(from);
    const target = at.get(to);
    if (source !== undefined && target !== undefined && source < target) inputs[target]?.push(source);
  }
  return inputs;
}

/** Length of the longest way from a layer without inputs to each layer. */
export function ranksOf(inputs: readonly (readonly number[])[]): number[] {
  const ranks: number[] = [];
  inputs.forEach((sources, index) => {
    ranks[index] = sources.reduce((rank, source) => Math.max(rank, (ranks[source] ?? 0) + 1), 0);
  });
  return ranks;
}

/** The layers (in topological order) as stretches from the input up. */
export function stretchesOf(nodes: readonly Node[], edges: Edges): Stretch[] {
  const inputs = inputsOf(nodes, edges);
  const ranks = ranksOf(inputs);
  const rows: number[][] = [];
  ranks.forEach((rank, index) => {
    const row = (rows[rank] ??= []);
    row.push(index);
  });

  const stretches: Stretch[] = [];
  const lane = new Map<number, number>(); // of the layers of the stretch in progress
  let current: Stretch | null = null;
  for (const row of rows) {
    if (row.length === 1 || current === null) {
      lane.clear();
      current = { lanes: 0, ranks: [] };
      stretches.push(current);
    }
    const taken = new Set<number>();
    const placed: { index: number; lane: number }[] = [];
    for (const index of row) {
      const kept = (inputs[index] ?? []).map((source) => lane.get(source)).find((one) => one !== undefined && !taken.has(one));
      const own: number = kept ?? current.lanes;
      if (kept === undefined) current.lanes += 1;
      taken.add(own);
      placed.push({ index, lane: own });
    }
    for (const { index, lane: own } of placed) lane.set(index, own);
    current.ranks.push(placed.sort((a, b) => a.lane - b.lane));
    if (row.length === 1) current = null;
  }
  return stretches;
}
