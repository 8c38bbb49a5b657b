// Reading and writing on a device: one token at a time, with every block's keys and values kept there.
//
// The passes are the trainer's forward, on the rows from the first new token on, and logits of the last row alone. Each
// block has a buffer for queries, keys and values of the whole window, which is its cache; all other activations share
// one buffer for all blocks.

import { Model } from "./model.js";
import { Passes } from "./passes.js";
import { planOf } from "./plan.js";

export class Reader extends Model {
  static create(gpu, config) {
    const plan = planOf(config, 0, gpu.limits);
    const make = new Passes(plan);
    const [row] = plan.blocks;
    return super.create(
      gpu,
      plan,
      new Map([
        ["blocks", make.blocks()],
        ["logits", [...make.lastNorm("row", 1), ...make.logits(row)]],
      ]),
    );
  }

  constructor(gpu, plan) {
    super(gpu, plan);
    this.length = 0; // positions in the cache
  }

  _createBuffers(passes) {
    super._createBuffers(passes);
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    this.buffers.set("back", this.gpu.device.createBuffer({ label: "back", size: 4 * this.plan.vocabSize, usage }));
  }

  load(weights) {
    super.load(weights);
    this.length = 0;
  }

  /** Read tokens from an empty cache; resolves to the logits (V) after the last of them. */
  read(tokens) {
    this.length = 0;
    return this._append(Uint32Array.from(tokens));
  }

  /** Read one more token; resolves to the logits (V) after it. */
  step(token) {
    return this._append(Uint32Array.of(token));
  }

  // Read tokens behind those in the cache.
  async _append(tokens) {
    const { buffers, config, plan } = this;
    const first = this.length;
    const [row, back] = [buffers.get("row"), buffers.get("back")];
    this.length += tokens.length;
    this.write("tokens", tokens, 4 * first);
    this.write("span", Uint32Array.of(first, tokens.length));
    this.submit((encoder) => {
      this.record(encoder, ["blocks"], tokens.length);
      encoder.copyBufferToBuffer(buffers.get("x"), 4 * config.dModel * (this.length - 1), row, 0, row.size);
      this.record(encoder, ["logits"], 1);
      encoder.copyBufferToBuffer(buffers.get("logits"), 0, back, 0, back.size);
    });
    await this.gpu.settled(back.mapAsync(GPUMapMode.READ));
    const logits = new Float32Array(back.getMappedRange().slice(0));
    back.unmap();
    return logits;
  }

  /** Logits (V) after T tokens, and the attention (L, H, T, T) in them, which the device does not store. */
  async look(tokens) {
    const { nLayers, nHeads, dModel: d } = this.config;
    const t = tokens.length;
    const logits = await this.read(tokens);
    const layers = Array.from({ length: nLayers }, (_, layer) => [`qkv.${layer}`, 0, t * 3 * d]);
    const numbers = await this.readBack(...layers);
    const attention = new Float32Array(nLayers * nHeads * t * t);
    for (let layer = 0; layer < nLayers; layer++) {
      const qkv = numbers.subarray(layer * t * 3 * d);
      for (let head = 0; head < nHeads; head++) {
        const to = (layer * nHeads + head) * t * t;
        attend(attention.subarray(to, to + t * t), qkv, t, d, d / nHeads, head);
      }
    }
    return { logits, attention };
  }
}

// The probabilities (T, T) of one head, from its queries and keys.
function attend(p, qkv, t, d, c, head) {
  const cool = 1 / Math.sqrt(c);
  for (let i = 0; i < t; i++) {
    const row = p.subarray(i * t, i * t + i + 1);
    for (let j = 0; j <= i; j++) {
      let score = 0;
      for (let x = head * c; x < (head + 1) * c; x++) score += qkv[i * 3 * d + x] * qkv[j * 3 * d + d + x];
      row[j] = score * cool;
    }
    const top = row.reduce((a, b) => Math.max(a, b));
    let total = 0;
    for (let j = 0; j <= i; j++) total += row[j] = Math.exp(row[j] - top);
    for (let j = 0; j <= i; j++) row[j] /= total;
  }
}
