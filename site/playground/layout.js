// Shapes of a model's parameters, and the layout of an engine's heap.
//
// Names and shapes are those of tinygpt/params.py.

export const VOCABULARY = 256; // tokens of a model of bytes, such as a preset's

/** Name → shape of every parameter, in the order of the forward pass. */
export function parameterShapes({ nLayers, dModel: d, contextLength, vocabSize = VOCABULARY }) {
  const shapes = new Map([
    ["wte.weight", [vocabSize, d]],
    ["wpe.weight", [contextLength, d]],
  ]);
  for (let layer = 0; layer < nLayers; layer++) {
    const h = `h.${layer}`;
    shapes.set(`${h}.ln_1.weight`, [d]);
    shapes.set(`${h}.ln_1.bias`, [d]);
    shapes.set(`${h}.attn.c_attn.weight`, [d, 3 * d]);
    shapes.set(`${h}.attn.c_attn.bias`, [3 * d]);
    shapes.set(`${h}.attn.c_proj.weight`, [d, d]);
    shapes.set(`${h}.attn.c_proj.bias`, [d]);
    shapes.set(`${h}.ln_2.weight`, [d]);
    shapes.set(`${h}.ln_2.bias`, [d]);
    shapes.set(`${h}.mlp.c_fc.weight`, [d, 4 * d]);
    shapes.set(`${h}.mlp.c_fc.bias`, [4 * d]);
    shapes.set(`${h}.mlp.c_proj.weight`, [4 * d, d]);
    shapes.set(`${h}.mlp.c_proj.bias`, [d]);
  }
  return shapes.set("ln_f.weight", [d]).set("ln_f.bias", [d]);
}

/** Number of parameters of a configuration. */
export function parameterCount({ nLayers, dModel: d, contextLength, vocabSize = VOCABULARY }) {
  return (vocabSize + contextLength) * d + nLayers * (12 * d * d + 13 * d) + 2 * d;
}

/** Numbers in an array of a shape. */
export const size = (shape) => shape.reduce((a, b) => a * b, 1);
const padded = (n) => (n + 3) & ~3;

/** Names of the linear layers' matrices, which a reading engine stores in panels. */
export const LINEAR = /\.(c_attn|c_proj|c_fc)\.weight$/;
const PANEL_COLUMNS = 8; // maximum over all kernels

// Allocates arrays in a heap, one after the other.
class Layout {
  constructor(start) {
    this.end = start;
  }

  take(n) {
    const offset = this.end;
    this.end += padded(n);
    return offset;
  }
}

/** Every offset of an engine's arrays, from `start`; with 0 it measures the heap. */
export function layOut(config, rows, batch, training, start) {
  const { nLayers, dModel: d, nHeads, contextLength: t, vocabSize = VOCABULARY } = config;
  const layout = new Layout(start);
  const room = (name, shape) => {
    if (training || !LINEAR.test(name)) return size(shape);
    return shape[0] * PANEL_COLUMNS * Math.ceil(shape[1] / PANEL_COLUMNS);
  };
  const shapes = [...parameterShapes(config)];
  const arrays = () => new Map(shapes.map(([name, shape]) => [name, layout.take(room(name, shape))]));
  const places = { parameters: arrays() };
  places.parametersEnd = layout.end;
  if (training) {
    places.gradients = arrays();
    places.firstMoments = arrays();
    places.secondMoments = arrays();
  }
  const block = () => ({
    xHat1: layout.take(rows * d),
    r1: layout.take(rows),
    qkv: layout.take(rows * 3 * d),
    p: layout.take(batch * nHeads * (rows / batch) ** 2),
    mixed: layout.take(rows * d),
    xHat2: layout.take(rows * d),
    r2: layout.take(rows),
    wide: layout.take(rows * 4 * d),
    gate: layout.take(rows * 4 * d),
  });
  if (training) places.blocks = Array.from({ length: nLayers }, block);
  else places.blocks = new Array(nLayers).fill(block());
  places.x = layout.take(rows * d);
  places.normed = layout.take(rows * d);
  places.hidden = layout.take(rows * 4 * d);
  if (training) {
    places.xHat = layout.take(rows * d);
    places.r = layout.take(rows);
    places.logits = layout.take(rows * vocabSize);
    places.dx = layout.take(rows * d);
    places.dNormed = layout.take(rows * d);
    places.dWide = layout.take(rows * 4 * d);
    places.dScores = layout.take((rows / batch) ** 2);
  } else {
    places.keys = layout.take(nLayers * t * d);
    places.values = layout.take(nLayers * t * d);
    places.row = {
      x: layout.take(d),
      normed: layout.take(d),
      hat: layout.take(d),
      r: layout.take(1),
      qkv: layout.take(3 * d),
      mixed: layout.take(d),
      wide: layout.take(4 * d),
      gate: layout.take(4 * d),
      scores: layout.take(t),
      logits: layout.take(vocabSize),
    };
  }
  places.end = layout.end;
  return places;
}

/** Floats of an engine's heap: to train if `batchSize` is given, else to read and generate. */
export function heapSize(config, batchSize = 0) {
  const rows = Math.max(1, batchSize) * config.contextLength;
  return layOut(config, rows, Math.max(1, batchSize), batchSize > 0, 0).end;
}
