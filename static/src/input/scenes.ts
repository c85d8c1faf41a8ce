/** Sample scenes, painted here with gradients and curves: nothing is fetched, and no photo of anybody is needed. */

/** Of a page's canvas, or of a worker's. */
type Context = CanvasRenderingContext2D | OffscreenCanvasRenderingContext2D;

type Paint = (context: Context, random: () => number) => void;

/** Side of a scene in pixels; every coordinate below is in these. */
export const SCENE_SIDE = 320;

/** A small seeded generator (mulberry32), so that a scene is the same picture, and the same run, every time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

type Stops = readonly (readonly [at: number, colour: string])[];

function vertical(c: Context, top: number, bottom: number, stops: Stops): CanvasGradient {
  const gradient = c.createLinearGradient(0, top, 0, bottom);
  for (const [at, colour] of stops) gradient.addColorStop(at, colour);
  return gradient;
}

function across(c: Context, left: number, right: number, stops: Stops): CanvasGradient {
  const gradient = c.createLinearGradient(left, 0, right, 0);
  for (const [at, colour] of stops) gradient.addColorStop(at, colour);
  return gradient;
}

function round(c: Context, x: number, y: number, radius: number, stops: Stops): CanvasGradient {
  const gradient = c.createRadialGradient(x - radius * 0.35, y - radius * 0.4, radius * 0.05, x, y, radius);
  for (const [at, colour] of stops) gradient.addColorStop(at, colour);
  return gradient;
}

function fill(c: Context, style: string | CanvasGradient, points: readonly (readonly [number, number])[]): void {
  c.fillStyle = style;
  c.beginPath();
  points.forEach(([x, y], index) => {
    if (index === 0) c.moveTo(x, y);
    else c.lineTo(x, y);
  });
  c.closePath();
  c.fill();
}

function disc(c: Context, style: string | CanvasGradient, x: number, y: number, rx: number, ry = rx, turn = 0): void {
  c.fillStyle = style;
  c.beginPath();
  c.ellipse(x, y, rx, ry, turn, 0, 2 * Math.PI);
  c.fill();
}

function block(c: Context, style: string | CanvasGradient, x: number, y: number, w: number, h: number, radius = 0): void {
  c.fillStyle = style;
  c.beginPath();
  c.roundRect(x, y, w, h, radius);
  c.fill();
}

function sky(c: Context, random: () => number, top: string, low: string): void {
  block(c, vertical(c, 0, SCENE_SIDE, [[0, top], [1, low]]), 0, 0, SCENE_SIDE, SCENE_SIDE);
  c.filter = "blur(7px)";
  for (let cloud = 0; cloud < 5; cloud += 1) {
    const [x, y] = [random() * SCENE_SIDE, 25 + random() * 130];
    for (let puff = 0; puff < 7; puff += 1) {
      disc(c, "rgba(255, 255, 255, 0.42)", x + (random() - 0.5) * 90, y + (random() - 0.5) * 16, 12 + random() * 22, 8 + random() * 8);
    }
  }
  c.filter = "none";
}

function grass(c: Context, random: () => number, from: number): void {
  block(c, vertical(c, from, SCENE_SIDE, [[0, "#7d9a52"], [1, "#3c5c25"]]), 0, from, SCENE_SIDE, SCENE_SIDE - from);
  for (let blade = 0; blade < 1500; blade += 1) {
    const y = from + random() ** 0.7 * (SCENE_SIDE - from);
    const length = 2 + ((y - from) / (SCENE_SIDE - from)) * 10;
    const x = random() * SCENE_SIDE;
    c.strokeStyle = `hsl(${78 + random() * 30} ${35 + random() * 25}% ${22 + random() * 30}% / 0.75)`;
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(x, y);
    c.lineTo(x + (random() - 0.5) * 5, y - length);
    c.stroke();
  }
}

const church: Paint = (c, random) => {
  sky(c, random, "#4f83bd", "#dfe9ef");
  grass(c, random, 258);
  const wall = across(c, 118, 290, [[0, "#e9e2d2"], [1, "#b9ae99"]]);
  const roof = vertical(c, 130, 190, [[0, "#7a4a3c"], [1, "#5a332a"]]);
  block(c, wall, 140, 184, 148, 82);
  fill(c, roof, [[128, 188], [160, 136], [274, 136], [302, 188]]);
  for (let x = 166; x < 280; x += 32) {
    block(c, "#33404c", x, 204, 13, 42, 7);
    c.strokeStyle = "#f3eddd";
    c.strokeRect(x + 6, 206, 0.5, 40);
  }
  block(c, across(c, 68, 140, [[0, "#f5efe2"], [0.7, "#d8cebb"], [1, "#a99d88"]]), 68, 128, 74, 138);
  fill(c, across(c, 60, 150, [[0, "#6b7d88"], [0.5, "#4b5b66"], [1, "#2f3b44"]]), [[60, 130], [105, 22], [150, 130]]);
  c.strokeStyle = "#e8c66a";
  c.lineWidth = 3;
  c.beginPath();
  c.moveTo(105, 24);
  c.lineTo(105, 4);
  c.moveTo(98, 11);
  c.lineTo(112, 11);
  c.stroke();
  disc(c, "#fbf8ee", 105, 156, 15);
  disc(c, "#2d3640", 105, 156, 12.5);
  c.strokeStyle = "#f5e7b2";
  c.lineWidth = 2;
  c.beginPath();
  c.moveTo(105, 147);
  c.lineTo(105, 156);
  c.lineTo(112, 160);
  c.stroke();
  block(c, "#3d4a55", 97, 182, 16, 28, 8);
  block(c, vertical(c, 222, 266, [[0, "#6d4630"], [1, "#4a2e1f"]]), 90, 222, 30, 44, 15);
  for (let tree = 0; tree < 26; tree += 1) disc(c, `hsl(${95 + random() * 25} 32% ${20 + random() * 16}%)`, 18 + random() * 34, 216 + random() * 46, 9 + random() * 8);
};

const golfBall: Paint = (c, random) => {
  grass(c, random, 0);
  c.filter = "blur(9px)";
  disc(c, "rgba(18, 34, 8, 0.6)", 180, 258, 100, 26);
  c.filter = "none";
  disc(c, round(c, 160, 160, 104, [[0, "#ffffff"], [0.6, "#e4e6e4"], [1, "#9ba39c"]]), 160, 160, 104);
  for (let ring = 0; ring < 9; ring += 1) {
    const tilt = (ring / 9) * (Math.PI / 2);
    const around = Math.max(1, Math.round(Math.sin(tilt) * 36));
    for (let k = 0; k < around; k += 1) {
      const angle = (k / around) * 2 * Math.PI + ring * 0.4;
      const reach = Math.sin(tilt) * 100;
      const squeeze = Math.max(0.2, Math.cos(tilt));
      const [x, y] = [160 + Math.cos(angle) * reach, 160 + Math.sin(angle) * reach];
      disc(c, "rgba(92, 102, 96, 0.34)", x, y, 6.4 * squeeze, 6.4, angle);
      disc(c, "rgba(255, 255, 255, 0.55)", x + 1.3, y + 1.6, 4.4 * squeeze, 4.4, angle);
    }
  }
  for (let blade = 0; blade < 260; blade += 1) {
    const x = 40 + random() * 240;
    c.strokeStyle = `hsl(${82 + random() * 26} 45% ${26 + random() * 26}%)`;
    c.beginPath();
    c.moveTo(x, 300);
    c.quadraticCurveTo(x + (random() - 0.5) * 10, 275, x + (random() - 0.5) * 22, 238 + random() * 28);
    c.stroke();
  }
};

const parachute: Paint = (c, random) => {
  sky(c, random, "#2f6fb5", "#c4dcee");
  const gores = ["#d8452e", "#f4efe4", "#d8452e", "#f4efe4", "#d8452e", "#f4efe4", "#d8452e"];
  gores.forEach((colour, index) => {
    const left = 52 + (index * 216) / gores.length;
    const right = 52 + ((index + 1) * 216) / gores.length;
    c.fillStyle = colour;
    c.beginPath();
    c.moveTo(160, 34);
    c.quadraticCurveTo(left - (160 - left) * 0.18, 52, left, 138);
    c.quadraticCurveTo((left + right) / 2, 124, right, 138);
    c.quadraticCurveTo(right - (160 - right) * 0.18, 52, 160, 34);
    c.fill();
    c.strokeStyle = "rgba(30, 30, 40, 0.6)";
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(left, 138);
    c.lineTo(160, 246);
    c.lineTo(right, 138);
    c.stroke();
  });
  fill(c, across(c, 52, 268, [[0, "rgba(0, 0, 0, 0.28)"], [0.4, "rgba(255, 255, 255, 0.12)"], [1, "rgba(0, 0, 0, 0.3)"]]), [[60, 118], [88, 66], [160, 36], [232, 66], [262, 118], [160, 128]]);
  disc(c, "#2b2f36", 160, 250, 7);
  block(c, "#39424e", 153, 256, 14, 24, 5);
  c.strokeStyle = "#2b323b";
  c.lineWidth = 5;
  c.beginPath();
  c.moveTo(156, 278);
  c.lineTo(152, 300);
  c.moveTo(164, 278);
  c.lineTo(169, 299);
  c.stroke();
};

const gasPump: Paint = (c, random) => {
  block(c, vertical(c, 0, SCENE_SIDE, [[0, "#f2d9ae"], [0.66, "#dca983"], [1, "#c48e70"]]), 0, 0, SCENE_SIDE, SCENE_SIDE);
  block(c, "#5d6066", 0, 262, SCENE_SIDE, 58);
  for (let stone = 0; stone < 700; stone += 1) block(c, `rgba(${random() > 0.5 ? "255, 255, 255" : "0, 0, 0"}, 0.13)`, random() * SCENE_SIDE, 264 + random() * 56, 2, 1);
  block(c, "rgba(0, 0, 0, 0.35)", 96, 272, 150, 12, 6);
  block(c, across(c, 96, 218, [[0, "#8e1d1a"], [0.25, "#d53a31"], [0.7, "#c02d26"], [1, "#75130f"]]), 100, 66, 116, 210, 14);
  block(c, "#f4efe3", 112, 82, 92, 62, 6);
  block(c, "#20272c", 119, 90, 78, 20, 3);
  block(c, "#20272c", 119, 116, 50, 18, 3);
  c.fillStyle = "#f6c95a";
  c.font = "bold 16px sans-serif";
  c.fillText("042.70", 130, 106);
  c.fillText("18.35", 123, 131);
  disc(c, round(c, 158, 42, 27, [[0, "#ffffff"], [0.8, "#efe3c3"], [1, "#c8b98e"]]), 158, 42, 27);
  block(c, "#d53a31", 140, 36, 36, 12, 4);
  block(c, "#efe7d6", 118, 168, 80, 82, 5);
  block(c, "#a9221d", 130, 196, 56, 10);
  block(c, "#a9221d", 130, 212, 56, 5);
  c.strokeStyle = "#1b1d20";
  c.lineWidth = 8;
  c.beginPath();
  c.moveTo(214, 232);
  c.bezierCurveTo(282, 262, 272, 150, 244, 128);
  c.stroke();
  block(c, "#2c3034", 216, 104, 34, 30, 6);
  block(c, "#8d959b", 214, 96, 10, 16, 3);
};

const fish: Paint = (c, random) => {
  block(c, vertical(c, 0, SCENE_SIDE, [[0, "#5b93a0"], [1, "#1c4652"]]), 0, 0, SCENE_SIDE, SCENE_SIDE);
  for (let plant = 0; plant < 40; plant += 1) {
    const x = random() * SCENE_SIDE;
    c.strokeStyle = `hsl(${110 + random() * 40} 30% ${18 + random() * 16}% / 0.8)`;
    c.lineWidth = 2 + random() * 3;
    c.beginPath();
    c.moveTo(x, SCENE_SIDE);
    c.quadraticCurveTo(x + (random() - 0.5) * 60, 270, x + (random() - 0.5) * 50, 215 + random() * 40);
    c.stroke();
  }
  const fin = vertical(c, 90, 240, [[0, "#4d4a1f"], [1, "#8b6b2b"]]);
  fill(c, fin, [[246, 158], [304, 104], [292, 160], [306, 216]]);
  fill(c, fin, [[120, 118], [168, 74], [198, 122]]);
  fill(c, fin, [[150, 202], [186, 240], [200, 192]]);
  c.fillStyle = vertical(c, 100, 216, [[0, "#48491f"], [0.45, "#8c8338"], [1, "#d3b765"]]);
  c.beginPath();
  c.moveTo(28, 164);
  c.bezierCurveTo(70, 92, 190, 92, 262, 150);
  c.lineTo(262, 168);
  c.bezierCurveTo(190, 228, 74, 226, 28, 164);
  c.fill();
  for (let row = 0; row < 9; row += 1) {
    for (let k = 0; k < 15; k += 1) {
      const [x, y] = [92 + k * 11 + (row % 2) * 5, 126 + row * 9];
      if (Math.abs(y - 160) > 46 - Math.abs(x - 150) * 0.3) continue;
      c.strokeStyle = "rgba(38, 36, 12, 0.35)";
      c.lineWidth = 1;
      c.beginPath();
      c.arc(x, y, 5, -Math.PI / 2, Math.PI / 2);
      c.stroke();
    }
  }
  disc(c, "#d9b54a", 62, 152, 8);
  disc(c, "#15130a", 62, 152, 4.4);
  c.strokeStyle = "#3a3716";
  c.lineWidth = 2;
  c.beginPath();
  c.arc(64, 164, 32, -0.8, 0.9);
  c.stroke();
};

const radio: Paint = (c) => {
  block(c, vertical(c, 0, SCENE_SIDE, [[0, "#b9c4c6"], [0.62, "#93a2a6"], [0.63, "#8a6a4a"], [1, "#5f452d"]]), 0, 0, SCENE_SIDE, SCENE_SIDE);
  block(c, "rgba(20, 12, 4, 0.4)", 30, 246, 264, 16, 8);
  block(c, vertical(c, 84, 252, [[0, "#5a6067"], [0.1, "#3d4247"], [1, "#1e2124"]]), 26, 84, 268, 168, 14);
  c.strokeStyle = "#777f86";
  c.lineWidth = 7;
  c.beginPath();
  c.roundRect(66, 50, 188, 60, 14);
  c.stroke();
  block(c, vertical(c, 84, 252, [[0, "#5a6067"], [0.1, "#3d4247"], [1, "#1e2124"]]), 26, 92, 268, 160, 14);
  for (const x of [80, 240]) {
    disc(c, "#9aa2a8", x, 186, 48);
    disc(c, round(c, x, 186, 44, [[0, "#4e555b"], [1, "#101214"]]), x, 186, 44);
    for (let ring = 10; ring < 44; ring += 8) {
      c.strokeStyle = "rgba(210, 220, 226, 0.2)";
      c.lineWidth = 1.5;
      c.beginPath();
      c.arc(x, 186, ring, 0, 2 * Math.PI);
      c.stroke();
    }
    disc(c, "#aab2b8", x, 186, 9);
  }
  block(c, "#c7ced2", 128, 146, 64, 68, 6);
  block(c, "#22282c", 134, 154, 52, 34, 4);
  for (const x of [147, 173]) {
    disc(c, "#f0efe8", x, 171, 9);
    disc(c, "#30363a", x, 171, 4);
  }
  for (let k = 0; k < 5; k += 1) block(c, k === 1 ? "#d24b32" : "#555c61", 131 + k * 12, 196, 10, 12, 2);
  block(c, "#e8dfc4", 46, 104, 228, 24, 4);
  for (let tick = 0; tick < 28; tick += 1) block(c, "#3a3f43", 54 + tick * 8, tick % 4 === 0 ? 109 : 113, 1.4, tick % 4 === 0 ? 13 : 8);
  block(c, "#d24b32", 168, 105, 2.4, 22);
};

const PAINTS: Readonly<Record<string, Paint>> = { church, "golf-ball": golfBall, parachute, "gas-pump": gasPump, fish, "cassette-player": radio };

/** Paints the scene of that name, SCENE_SIDE pixels square; the same pixels each time. */
export function paintScene(name: string, context: Context | null): void {
  const paint = PAINTS[name];
  if (context === null || paint === undefined) throw new Error(`This browser cannot paint the scene "${name}".`);
  paint(context, seeded(1998));
}
