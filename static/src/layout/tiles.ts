/** Where each map of a layer stands: a grid of tiles that fills the width. Pure geometry in CSS pixels, no DOM. */

export interface TileGrid {
  columns: number;
  rows: number;
  tileWidth: number;
  tileHeight: number;
  gap: number;
  width: number;
  height: number;
}

/** A place inside a tile: which tile, and how far across and down it (0 to 1). */
export interface TileHit {
  index: number;
  across: number;
  down: number;
}

/** Longer side of a tile, by the number of tiles: few maps are drawn large, many small. */
const SIDES: readonly (readonly [upTo: number, side: number])[] = [[4, 128], [8, 100], [16, 76], [64, 60], [128, 46], [256, 38], [Infinity, 30]];

/** Side of one cell where a map is a single number. */
const CELLS: readonly (readonly [upTo: number, side: number])[] = [[16, 34], [128, 20], [1024, 12], [Infinity, 8]];

function pick(table: readonly (readonly [number, number])[], count: number): number {
  return table.find(([upTo]) => count <= upTo)?.[1] ?? 1;
}

/** Grid of `channels` maps of `height` x `width` inside `available` pixels.
 *
 * A map that is smaller than its tile grows by a whole factor, so that every unit stays a square of the same size.
 */
export function layoutTiles(channels: number, height: number, width: number, available: number): TileGrid {
  const cell = height === 1 && width === 1;
  const side = Math.min(pick(cell ? CELLS : SIDES, channels), Math.max(available, 1));
  const longer = Math.max(height, width);
  const factor = longer <= side ? Math.floor(side / longer) : side / longer;
  const tileWidth = Math.max(1, Math.round(width * factor));
  const tileHeight = Math.max(1, Math.round(height * factor));
  const gap = cell ? (side >= 12 ? 2 : 1) : Math.max(3, Math.round(side / 16));
  const columns = Math.max(1, Math.min(channels, Math.floor((available + gap) / (tileWidth + gap))));
  const rows = Math.ceil(channels / columns);
  return {
    columns, rows, tileWidth, tileHeight, gap,
    width: columns * (tileWidth + gap) - gap,
    height: rows * (tileHeight + gap) - gap,
  };
}

/** Left and top of the tile at `index`. */
export function tileAt(grid: TileGrid, index: number): [left: number, top: number] {
  return [(index % grid.columns) * (grid.tileWidth + grid.gap), Math.floor(index / grid.columns) * (grid.tileHeight + grid.gap)];
}

/** The tile under a point, or null in a gap or outside. */
export function hitTile(grid: TileGrid, count: number, x: number, y: number): TileHit | null {
  const column = Math.floor(x / (grid.tileWidth + grid.gap));
  const row = Math.floor(y / (grid.tileHeight + grid.gap));
  const index = row * grid.columns + column;
  if (x < 0 || y < 0 || column >= grid.columns || index >= count) return null;
  const [left, top] = tileAt(grid, index);
  const across = (x - left) / grid.tileWidth;
  const down = (y - top) / grid.tileHeight;
  return across < 1 && down < 1 ? { index, across, down } : null;
}

/** The tile that an arrow key leads to from `index`; it stays inside the grid. */
export function stepTile(grid: TileGrid, count: number, index: number, key: string): number {
  const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: grid.columns, ArrowUp: -grid.columns }[key] ?? 0;
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const next = index + step;
  return next < 0 || next >= count ? index : next;
}

/** Rows and columns in which `count` numbers make a picture: the factors nearest to a square, standing upright. */
export function uprightShape(count: number): [rows: number, columns: number] {
  for (let columns = Math.floor(Math.sqrt(count)); columns > 1; columns -= 1) {
    if (count % columns === 0) return [count / columns, columns];
  }
  return [1, count];
}
