// Softmax, its causal form for attention.js, and attention of one query to a cache.

import { at, exp2, LOG2E, madd, sum4 } from "./common";
import { dot, matrixTimesRow } from "./rows";

/** x = e^(scale x) / Σ e^(scale x) over n numbers. */
export function softmax(x: i32, n: i32, scale: f32): void {
  const start = at(x);
  const end = start + 4 * n;
  let p = start;
  let high = f32x4.splat(-Infinity);
  for (; p + 16 <= end; p += 16) high = f32x4.pmax(high, v128.load(p));
  let top = max(
    max(f32x4.extract_lane(high, 0), f32x4.extract_lane(high, 1)),
    max(f32x4.extract_lane(high, 2), f32x4.extract_lane(high, 3)),
  );
  for (; p < end; p += 4) top = max(top, load<f32>(p));
  const scale4 = f32x4.splat(scale * LOG2E);
  const top4 = f32x4.splat(top);
  let s = f32x4.splat(0);
  for (p = start; p + 16 <= end; p += 16) {
    const e = exp2(f32x4.mul(f32x4.sub(v128.load(p), top4), scale4));
    v128.store(p, e);
    s = f32x4.add(s, e);
  }
  let total = sum4(s);
  for (; p < end; p += 4) {
    const e = f32x4.extract_lane(exp2(f32x4.mul(f32x4.sub(v128.load32_splat(p), top4), scale4)), 0);
    store<f32>(p, e);
    total += e;
  }
  const share: f32 = 1 / total;
  const share4 = f32x4.splat(share);
  for (p = start; p + 16 <= end; p += 16) v128.store(p, f32x4.mul(v128.load(p), share4));
  for (; p < end; p += 4) store<f32>(p, load<f32>(p) * share);
}

/** Replace every row of logits (rows, n) by its softmax. */
export function softmaxRows(logits: i32, rows: i32, n: i32): void {
  for (let i = 0; i < rows; i++) softmax(logits + i * n, n, 1);
}

/** x *= factor, element-wise. */
export function scale(x: i32, n: i32, factor: f32): void {
  const factor4 = f32x4.splat(factor);
  const wide = n & ~3;
  for (let i = 0; i < wide; i += 4) v128.store(at(x + i), f32x4.mul(v128.load(at(x + i)), factor4));
  for (let i = wide; i < n; i++) store<f32>(at(x + i), load<f32>(at(x + i)) * factor);
}

/** Queries that attention.js takes at a time. */
export const queries: i32 = 24;

/** Replace rows i to i + rows of scores (T, T) by softmax(scores / √C) over the keys that each query sees, then 0. */
export function causalSoftmax(scores: i32, t: i32, i: i32, rows: i32, c: i32): void {
  const cool: f32 = 1 / sqrt<f32>(<f32>c);
  for (let r = 0; r < rows; r++, scores += t) {
    softmax(scores, i + r + 1, cool);
    for (let j = i + r + 1; j < i + rows; j++) store<f32>(at(scores + j), 0);
  }
}

/** Replace ds by p (ds − Σ p ds) / √C, over `seen` numbers of each row; rows of ds and p are t apart. */
export function causalSoftmaxBackward(ds: i32, p: i32, t: i32, rows: i32, seen: i32, c: i32): void {
  const cool: f32 = 1 / sqrt<f32>(<f32>c);
  const cool4 = f32x4.splat(cool);
  for (let r = 0; r < rows; r++) {
    const d = at(ds + r * t);
    const row = at(p + r * t);
    const mean = dot(row, d, seen);
    const mean4 = f32x4.splat(mean);
    let j = 0;
    for (; j + 4 <= seen; j += 4) {
      const rest = f32x4.sub(v128.load(d + 4 * j), mean4);
      v128.store(d + 4 * j, f32x4.mul(f32x4.mul(v128.load(row + 4 * j), rest), cool4));
    }
    for (; j < seen; j++) store<f32>(d + 4 * j, load<f32>(row + 4 * j) * (load<f32>(d + 4 * j) - mean) * cool);
  }
}

/** Store keys or values of rows (rows, 3 H C) in a cache (H, room, C), from `position` on. */
export function remember(cache: i32, x: i32, position: i32, rows: i32, room: i32, heads: i32, c: i32): void {
  for (let h = 0; h < heads; h++) {
    for (let i = 0; i < rows; i++) {
      let to = at(cache + (h * room + position + i) * c);
      let from = at(x + i * 3 * heads * c + h * c);
      const end = to + 4 * c;
      for (; to + 16 <= end; to += 16, from += 16) v128.store(to, v128.load(from));
      for (; to < end; to += 4, from += 4) store<f32>(to, load<f32>(from));
    }
  }
}

/** One query against n cached positions: keys and values (H, room, C), y (H C); scores hold n numbers. */
export function attentionStep(
  y: i32, q: i32, keys: i32, values: i32, scores: i32, n: i32, room: i32, heads: i32, c: i32,
): void {
  const cool: f32 = 1 / sqrt<f32>(<f32>c);
  for (let h = 0; h < heads; h++) {
    const value = values + h * room * c;
    const to = y + h * c;
    matrixTimesRow(scores, keys + h * room * c, q + h * c, n, c);
    softmax(scores, n, cool);
    let x = 0;
    for (; x + 16 <= c; x += 16) {
      let s0 = f32x4.splat(0);
      let s1 = f32x4.splat(0);
      let s2 = f32x4.splat(0);
      let s3 = f32x4.splat(0);
      let from = at(value + x);
      let weight = at(scores);
      for (const end = weight + 4 * n; weight < end; weight += 4, from += 4 * c) {
        const share = v128.load32_splat(weight);
        s0 = madd(share, v128.load(from), s0);
        s1 = madd(share, v128.load(from, 16), s1);
        s2 = madd(share, v128.load(from, 32), s2);
        s3 = madd(share, v128.load(from, 48), s3);
      }
      v128.store(at(to + x), s0);
      v128.store(at(to + x), s1, 16);
      v128.store(at(to + x), s2, 32);
      v128.store(at(to + x), s3, 48);
    }
    for (; x < c; x++) {
      let s: f32 = 0;
      for (let j = 0; j < n; j++) s += load<f32>(at(scores + j)) * load<f32>(at(value + j * c + x));
      store<f32>(at(to + x), s);
    }
  }
}
