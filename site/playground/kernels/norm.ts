// Layer normalisation, forward and backward (tinygpt/layers.py has the derivation).

import { at, sum4 } from "./common";
import { columnSums } from "./rows";

/** y = gain · x̂ + bias over rows of d; x̂ and the reciprocal deviation r (rows) are for the backward. */
export function layerNorm(
  y: i32, xHat: i32, r: i32, x: i32, gain: i32, bias: i32, rows: i32, d: i32, eps: f32,
): void {
  for (let i = 0; i < rows; i++) {
    const from = at(x + i * d);
    const hat = at(xHat + i * d);
    const end = from + 4 * d;
    let s = f32x4.splat(0);
    let p = from;
    for (; p + 16 <= end; p += 16) s = f32x4.add(s, v128.load(p));
    let total = sum4(s);
    for (; p < end; p += 4) total += load<f32>(p);
    const mean = total / <f32>d;
    const mean4 = f32x4.splat(mean);
    s = f32x4.splat(0);
    for (p = from; p + 16 <= end; p += 16) {
      const centred = f32x4.sub(v128.load(p), mean4);
      s = f32x4.add(s, f32x4.mul(centred, centred));
    }
    total = sum4(s);
    for (; p < end; p += 4) {
      const centred = load<f32>(p) - mean;
      total += centred * centred;
    }
    const scale: f32 = 1 / sqrt<f32>(total / <f32>d + eps);
    store<f32>(at(r + i), scale);
    const scale4 = f32x4.splat(scale);
    let q = hat;
    for (p = from; p + 16 <= end; p += 16, q += 16) {
      v128.store(q, f32x4.mul(f32x4.sub(v128.load(p), mean4), scale4));
    }
    for (; p < end; p += 4, q += 4) store<f32>(q, (load<f32>(p) - mean) * scale);
  }
  scaleShift(y, xHat, gain, bias, rows, d);
}

/** y = gain · x̂ + bias: the backward computes a norm's output again instead of storing it. */
export function scaleShift(y: i32, xHat: i32, gain: i32, bias: i32, rows: i32, d: i32): void {
  for (let i = 0; i < rows; i++) {
    let to = at(y + i * d);
    let from = at(xHat + i * d);
    let g = at(gain);
    let b = at(bias);
    const end = to + 4 * d;
    for (; to + 16 <= end; to += 16, from += 16, g += 16, b += 16) {
      v128.store(to, f32x4.add(f32x4.mul(v128.load(from), v128.load(g)), v128.load(b)));
    }
    for (; to < end; to += 4, from += 4, g += 4, b += 4) {
      store<f32>(to, load<f32>(from) * load<f32>(g) + load<f32>(b));
    }
  }
}

/** dx += r (g − mean(g) − x̂ mean(g x̂)) with g = dy · gain; dGain = Σ dy x̂ and dBias = Σ dy are overwritten. */
export function layerNormBackward(
  dx: i32, dGain: i32, dBias: i32, dy: i32, xHat: i32, r: i32, gain: i32, rows: i32, d: i32,
): void {
  memory.fill(at(dGain), 0, 4 * d);
  columnSums(dBias, dy, rows, d);
  const wide = d & ~3;
  for (let i = 0; i < rows; i++) {
    const up = at(dy + i * d);
    const hat = at(xHat + i * d);
    const out = at(dx + i * d);
    let s = f32x4.splat(0);
    let t = f32x4.splat(0);
    for (let j = 0; j < wide; j += 4) {
      const dy4 = v128.load(up + 4 * j);
      const hat4 = v128.load(hat + 4 * j);
      const product = f32x4.mul(dy4, hat4);
      const to = at(dGain + j);
      v128.store(to, f32x4.add(v128.load(to), product));
      const gain4 = v128.load(at(gain + j));
      s = f32x4.add(s, f32x4.mul(dy4, gain4));
      t = f32x4.add(t, f32x4.mul(product, gain4));
    }
    let meanG = sum4(s);
    let meanGHat = sum4(t);
    for (let j = wide; j < d; j++) {
      const product = load<f32>(up + 4 * j) * load<f32>(hat + 4 * j);
      store<f32>(at(dGain + j), load<f32>(at(dGain + j)) + product);
      meanG += load<f32>(up + 4 * j) * load<f32>(at(gain + j));
      meanGHat += product * load<f32>(at(gain + j));
    }
    meanG /= <f32>d;
    meanGHat /= <f32>d;
    const scale = load<f32>(at(r + i));
    const g4 = f32x4.splat(meanG);
    const gHat4 = f32x4.splat(meanGHat);
    const scale4 = f32x4.splat(scale);
    for (let j = 0; j < wide; j += 4) {
      const g = f32x4.mul(v128.load(up + 4 * j), v128.load(at(gain + j)));
      const inner = f32x4.sub(f32x4.sub(g, g4), f32x4.mul(v128.load(hat + 4 * j), gHat4));
      v128.store(out + 4 * j, f32x4.add(v128.load(out + 4 * j), f32x4.mul(scale4, inner)));
    }
    for (let j = wide; j < d; j++) {
      const g = load<f32>(up + 4 * j) * load<f32>(at(gain + j));
      const inner = g - meanG - load<f32>(hat + 4 * j) * meanGHat;
      store<f32>(out + 4 * j, load<f32>(out + 4 * j) + scale * inner);
    }
  }
}
