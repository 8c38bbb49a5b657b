// The norm of a gradient, and the AdamW update (tinygpt/optim.py).

import { at } from "./common";

/** Σ x², in float64. */
export function sumSquares(x: i32, n: i32): f64 {
  let low = f64x2.splat(0);
  let high = f64x2.splat(0);
  // Arrays are padded with zeros to multiples of four numbers, so there is no rest.
  for (let p = at(x), end = at(x + n); p < end; p += 16) {
    const values = v128.load(p);
    const first = f64x2.promote_low_f32x4(values);
    const second = f64x2.promote_low_f32x4(v128.shuffle<f64>(values, values, 1, 1));
    low = f64x2.add(low, f64x2.mul(first, first));
    high = f64x2.add(high, f64x2.mul(second, second));
  }
  const both = f64x2.add(low, high);
  return f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
}

/** One AdamW update: p ← p · keep − rate · m̂ / (√v̂ + eps), with g · clip for the gradient. */
export function adamw(
  p: i32, g: i32, m: i32, v: i32, n: i32,
  clip: f32, keep: f32, rate: f32, beta1: f32, beta2: f32, correction1: f32, correction2: f32, eps: f32,
): void {
  const clip4 = f32x4.splat(clip);
  const keep4 = f32x4.splat(keep);
  const beta14 = f32x4.splat(beta1);
  const beta24 = f32x4.splat(beta2);
  const rest14 = f32x4.splat(1 - beta1);
  const rest24 = f32x4.splat(1 - beta2);
  const scale1 = f32x4.splat(rate / correction1);
  const scale2 = f32x4.splat(1 / correction2);
  const eps4 = f32x4.splat(eps);
  for (let i = 0; i < n; i += 4) {
    const g4 = f32x4.mul(v128.load(at(g + i)), clip4);
    const m4 = f32x4.add(f32x4.mul(v128.load(at(m + i)), beta14), f32x4.mul(rest14, g4));
    const v4 = f32x4.add(f32x4.mul(v128.load(at(v + i)), beta24), f32x4.mul(f32x4.mul(rest24, g4), g4));
    v128.store(at(m + i), m4);
    v128.store(at(v + i), v4);
    const step = f32x4.div(f32x4.mul(m4, scale1), f32x4.add(f32x4.sqrt(f32x4.mul(v4, scale2)), eps4));
    v128.store(at(p + i), f32x4.sub(f32x4.mul(v128.load(at(p + i)), keep4), step));
  }
}
