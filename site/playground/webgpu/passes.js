// The dispatches of a forward, a backward and an update, in order.
//
// A dispatch names a shader, the flags of its form, what is bound (a buffer's name, or whole numbers for a uniform) and
// its workgroups for a number of rows. Shapes and formulas are those of ../engine/; product.wgsl has the forms.

import { parameterShapes } from "../layout.js";
import { MOST_SUM_GROUPS } from "./plan.js";

const TILE = 64; // rows and columns of a product's workgroup
const STEP_ROWS = 16; // of a product's k at a time
const ROWS_TOGETHER = 8; // of norms and losses, in common.wgsl
const QUERIES = 64; // of attention, in heads.wgsl
const MOST_GROUPS = 65_535;
const NO_BIAS = 0xffffffff;
const QUAD = 4; // numbers of a vec4f
const SPAN = "span"; // the buffer with a dispatch's first row and number of rows; another span is [first, count]

// Bits of a product's options, in product.wgsl.
const [GELU, BIAS, RESIDUAL, SLOPE, ADD] = [1, 2, 4, 8, 16];

const groupsOf = (n, together) => Math.ceil(n / together);

/** Constants that all shaders of a model get. */
export function constantsOf({ config, vocabSize, rows, slots, halves, parameters }) {
  const { dModel: d, nHeads, contextLength, eps } = config;
  const c = d / nHeads;
  const quads = parameters.floats / QUAD;
  return {
    Stored: halves ? "f16" : "f32",
    D: d,
    D4: d / QUAD,
    HEADS: nHeads,
    C: c,
    C4: groupsOf(c, QUAD),
    T: contextLength,
    ROWS: rows,
    VOCABULARY: vocabSize,
    WTE: parameters.offsets.get("wte.weight") / QUAD,
    WPE: parameters.offsets.get("wpe.weight") / QUAD,
    EPS: `f32(${eps})`,
    COOL: `f32(${1 / Math.sqrt(c)})`,
    TILE: c > 32 ? 16 : 32, // keys and values of a tile fill at most the workgroup memory that every device has
    SLOTS: slots,
    QUADS: quads,
    DECAYING_QUADS: parameters.decaying / QUAD,
    SUM_GROUPS: Math.min(MOST_SUM_GROUPS, groupsOf(quads, 256)),
    UPDATE_GROUPS: Math.min(MOST_GROUPS, groupsOf(quads, 256)),
    NO_BIAS,
  };
}

/** Makes the dispatches of one plan. */
export class Passes {
  constructor(plan) {
    this.plan = plan;
    this.shapes = parameterShapes(plan.config);
  }

  _at(name) {
    return this.plan.parameters.offsets.get(name) / QUAD;
  }

  _role(role, layer) {
    return this.plan.layered.includes(role) ? `${role}.${layer}` : role;
  }

  _product([aRows, bRows], { a, b, bias = "nothing", other = "nothing", c }, sizes, span = SPAN) {
    const { m = 0, n, k = 0, aAt = 0, bAt = 0, cAt = 0, biasAt = 0, parts = 1, chunk = k, options = 0 } = sizes;
    const numbers = [m, n, k, aAt, bAt, cAt, biasAt, chunk, this.plan.parameters.floats / QUAD, options];
    return {
      shader: "product",
      flags: { A_ROWS: aRows, B_ROWS: bRows },
      bindings: [uniformOf(span), Uint32Array.from(numbers), a, b, bias, other, c],
      groups: (rows) => [groupsOf(n, TILE), groupsOf(m || rowsIn(span, rows), TILE), parts],
    };
  }

  // C (m, n) of the gradients = Aᵀ B over the rows of a span, in parts.
  _overRows({ a, b }, sizes, span = SPAN) {
    const { slots: parts, rows } = this.plan;
    const chunk = groupsOf(rowsIn(span, rows) / parts, STEP_ROWS) * STEP_ROWS;
    return this._product([false, true], { a, b, c: "gradients" }, { ...sizes, parts, chunk }, span);
  }

  // y (rows, n) = x (rows, k) W + bias, with a residual stream or the GELU of x.
  _linear(x, name, y, { residual = null, gelu = false } = {}) {
    const [k, n] = this.shapes.get(`${name}.weight`);
    const buffers = { a: x, b: "weights", bias: "weights", c: y, other: residual ?? "nothing" };
    const options = BIAS + (residual ? RESIDUAL : 0) + (gelu ? GELU : 0);
    const sizes = { n, k, bAt: this._at(`${name}.weight`), biasAt: this._at(`${name}.bias`), options };
    return this._product([true, true], buffers, sizes);
  }

  _norm(x, name, moments, y, span = SPAN) {
    const numbers = Uint32Array.of(this._at(`${name}.weight`), this._at(`${name}.bias`));
    const bindings = [uniformOf(span), numbers, x, "weights", moments, y];
    return { shader: "norm", bindings, groups: (rows) => [groupsOf(rowsIn(span, rows), ROWS_TOGETHER)] };
  }

  // ---- forward ---------------------------------------------------------------------------------------------------

  /** From tokens to the last residual stream. */
  blocks() {
    const { config, batch } = this.plan;
    const { nLayers, dModel: d, nHeads, contextLength } = config;
    const dispatches = [
      {
        shader: "embed",
        bindings: [SPAN, "tokens", "weights", this._role("x", 0)],
        groups: (rows) => [groupsOf(d / QUAD, 64), rows],
      },
    ];
    for (let layer = 0; layer < nLayers; layer++) {
      const h = `h.${layer}`;
      const at = (role) => this._role(role, layer);
      dispatches.push(
        this._norm(at("x"), `${h}.ln_1`, at("moments1"), at("normed1")),
        this._linear(at("normed1"), `${h}.attn.c_attn`, at("qkv")),
        {
          shader: "attention",
          bindings: [SPAN, at("qkv"), at("mixed"), at("logSums")],
          groups: (rows) => [groupsOf(Math.min(rows, contextLength), QUERIES), nHeads, batch],
        },
        this._linear(at("mixed"), `${h}.attn.c_proj`, at("middle"), { residual: at("x") }),
        this._norm(at("middle"), `${h}.ln_2`, at("moments2"), at("normed2")),
        this._linear(at("normed2"), `${h}.mlp.c_fc`, at("wide")),
        this._linear(at("wide"), `${h}.mlp.c_proj`, this._role("x", layer + 1), {
          residual: at("middle"),
          gelu: true,
        }),
      );
    }
    return dispatches;
  }

  /** The norm after the last block, of some rows of x. */
  lastNorm(x, rows) {
    return [this._norm(x, "ln_f", "moments", "normed", [0, rows])];
  }

  // Of a block [first, count] of rows: its logits are rows 0 to count of their buffer, and the others begin further on.
  _head([first, count]) {
    const { config, columns } = this.plan;
    return { d: config.dModel, columns, at: (first * config.dModel) / QUAD, table: this._at("wte.weight"), span: [0, count] };
  }

  /** The logits of a block of rows. */
  logits(block) {
    const { d, columns, at, table, span } = this._head(block);
    const buffers = { a: "normed", b: "weights", c: "logits" };
    return [this._product([true, false], buffers, { n: columns, k: d, aAt: at, bAt: table }, span)];
  }

  /** From a block's logits to the losses of its rows and the gradient of its logits. */
  loss(block) {
    const bindings = [uniformOf(block), "tokens", "logits", "report"];
    return [{ shader: "loss", bindings, groups: () => [groupsOf(block[1], ROWS_TOGETHER)] }];
  }

  // ---- backward --------------------------------------------------------------------------------------------------

  /** From the gradient of a block's logits to that of the norm before, and to the table's, a sum over all blocks. */
  head(block) {
    const { d, columns, at, table, span } = this._head(block);
    const sizes = { m: columns, n: d, bAt: at, cAt: table, biasAt: NO_BIAS, options: block[0] ? ADD : 0 };
    const buffers = { a: "logits", b: "weights", c: "dNormed" };
    return [
      this._overRows({ a: "logits", b: "normed" }, sizes, span),
      this._product([true, true], buffers, { n: d, k: columns, bAt: table, cAt: at }, span),
    ];
  }

  // dx (rows, k) = dy (rows, n) Wᵀ, times the slope of the GELU if it is that of `wide`.
  _inner(dy, name, dx, wide = null) {
    const [k, n] = this.shapes.get(`${name}.weight`);
    const buffers = { a: dy, b: "weights", other: wide ?? "nothing", c: dx };
    const sizes = { n: k, k: n, bAt: this._at(`${name}.weight`), options: wide ? SLOPE : 0 };
    return this._product([true, false], buffers, sizes);
  }

  // dW (k, n) = xᵀ dy and dbias (n) = Σ dy.
  _outer(x, dy, name, { gelu = false } = {}) {
    const [m, n] = this.shapes.get(`${name}.weight`);
    const sizes = { m, n, cAt: this._at(`${name}.weight`), biasAt: this._at(`${name}.bias`), options: gelu ? GELU : 0 };
    return this._overRows({ a: x, b: dy }, sizes);
  }

  _normBackward(x, name, moments, add = true) {
    const { rows, config } = this.plan;
    const [gain, bias] = [this._at(`${name}.weight`), this._at(`${name}.bias`)];
    return {
      shader: "norm_backward",
      bindings: [Uint32Array.of(gain, gain, bias, Number(add)), "dNormed", x, moments, "weights", "dx", "gradients"],
      groups: () => [groupsOf(rows, ROWS_TOGETHER) + config.dModel / QUAD],
    };
  }

  /** From the gradient of the last norm to that of every parameter, and the squares of its norm. */
  backward() {
    const { config, batch } = this.plan;
    const { nLayers, nHeads, contextLength } = config;
    const heads = () => [groupsOf(contextLength, QUERIES), nHeads, batch];
    const dispatches = [this._normBackward(this._role("x", nLayers), "ln_f", "moments", false)];
    for (let layer = nLayers - 1; layer >= 0; layer--) {
      const h = `h.${layer}`;
      const at = (role) => this._role(role, layer);
      // What only reads the same gradient comes in pairs, which a device may compute side by side.
      dispatches.push(
        this._outer(at("wide"), "dx", `${h}.mlp.c_proj`, { gelu: true }),
        this._inner("dx", `${h}.mlp.c_proj`, "dWide", at("wide")),
        this._outer(at("normed2"), "dWide", `${h}.mlp.c_fc`),
        this._inner("dWide", `${h}.mlp.c_fc`, "dNormed"),
        this._normBackward(at("middle"), `${h}.ln_2`, at("moments2")),
        this._outer(at("mixed"), "dx", `${h}.attn.c_proj`),
        this._inner("dx", `${h}.attn.c_proj`, "dNormed"),
        {
          shader: "attention_queries",
          bindings: [at("qkv"), at("mixed"), "dNormed", at("logSums"), "means", "dQkv"],
          groups: heads,
        },
        {
          shader: "attention_keys",
          bindings: [at("qkv"), "dNormed", at("logSums"), "means", "dQkv"],
          groups: heads,
        },
        this._outer(at("normed1"), "dQkv", `${h}.attn.c_attn`),
        this._inner("dQkv", `${h}.attn.c_attn`, "dNormed"),
        this._normBackward(at("x"), `${h}.ln_1`, at("moments1")),
      );
    }
    return [
      ...dispatches,
      {
        shader: "embed_backward",
        bindings: ["tokens", "dx", "gradients"],
        groups: () => [this.plan.vocabSize + contextLength],
      },
      { shader: "gather", bindings: ["gradients", "squares"], groups: () => [constantsOf(this.plan).SUM_GROUPS] },
    ];
  }

  /** AdamW. */
  update() {
    const bindings = ["update", "squares", "gradients", "weights", "firstMoments", "secondMoments", "report"];
    const { UPDATE_GROUPS } = constantsOf(this.plan);
    return [{ shader: "adamw", bindings, groups: () => [UPDATE_GROUPS] }];
  }
}

const rowsIn = (span, rows) => (span === SPAN ? rows : span[1]);
const uniformOf = (span) => (span === SPAN ? SPAN : Uint32Array.from(span));
