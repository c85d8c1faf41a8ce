/** The graph beside the list: every layer a row, every edge a line in a lane. Pure geometry, no drawing.
 *
 * Rows come in topological order. An edge leaves its layer, keeps one lane through the rows between, and enters its
 * target; a layer stands in the lane of its first input, so that a chain is one straight line and branches lie beside it.
 */

export interface Wire {
  lane: number;
  shortcut: boolean; // carries a tensor past other layers into a sum
}

export interface RailRow {
  lane: number; // where the layer's node stands
  incoming: Wire[]; // wires that end in the node
  outgoing: Wire[]; // wires that begin at the node
  passing: Wire[]; // wires that go by
}

export interface Rail {
  rows: RailRow[];
  lanes: number;
}

interface Open {
  target: number;
  wire: Wire;
}

/** Lays out layers (in topological order) and edges by name; edges to unknown layers are left out. */
export function layoutRail(layers: readonly { name: string; op: string }[], edges: readonly (readonly [string, string])[]): Rail {
  const row = new Map(layers.map((layer, index) => [layer.name, index]));
  const targets: number[][] = layers.map(() => []);
  for (const [from, to] of edges) {
    const source = row.get(from);
    const target = row.get(to);
    if (source !== undefined && target !== undefined && source < target) targets[source]?.push(target);
  }

  let open: Open[] = [];
  let lanes = 1;
  const rows: RailRow[] = [];
  layers.forEach((_, index) => {
    const ending = open.filter((edge) => edge.target === index).map((edge) => edge.wire);
    const staying = open.filter((edge) => edge.target !== index);
    const taken = new Set(staying.map((edge) => edge.wire.lane));
    const lane = ending.length > 0 ? Math.min(...ending.map((wire) => wire.lane)) : firstFree(taken);

    // The nearest target goes straight on; farther ones, such as shortcuts, swing out to the side.
    const leaving = (targets[index] ?? [])
      .toSorted((a, b) => a - b)
      .map((target, order): Open => {
        const own = order === 0 && !taken.has(lane) ? lane : firstFree(taken);
        taken.add(own);
        return { target, wire: { lane: own, shortcut: layers[target]?.op === "add" && target > index + 1 && (targets[index]?.length ?? 0) > 1 } };
      });
    rows.push({ lane, incoming: ending, outgoing: leaving.map((edge) => edge.wire), passing: staying.map((edge) => edge.wire) });
    lanes = Math.max(lanes, lane + 1, ...leaving.map((edge) => edge.wire.lane + 1));
    open = [...staying, ...leaving];
  });
  return { rows, lanes };
}

function firstFree(taken: ReadonlySet<number>): number {
  let lane = 0;
  while (taken.has(lane)) lane += 1;
  return lane;
}
