// Sums of rows, and products with one row: what generation is made of.

import { at, madd, sum4 } from "./common";

/** out[j] = Σ_i x[i, j]. */
export function columnSums(out: i32, x: i32, rows: i32, columns: i32): void {
  memory.fill(at(out), 0, 4 * columns);
  for (let i = 0; i < rows; i++) add(out, x + i * columns, columns);
}

/** y += x, element-wise. */
export function add(y: i32, x: i32, n: i32): void {
  let to = at(y);
  let from = at(x);
  const end = to + 4 * n;
  for (; to + 16 <= end; to += 16, from += 16) v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
  for (; to < end; to += 4, from += 4) store<f32>(to, load<f32>(to) + load<f32>(from));
}

/** y = x W + bias for one row: x (k), W (k, n); with `accumulate` added to y. Eight rows of W at a time. */
export function rowTimesMatrix(y: i32, x: i32, w: i32, bias: i32, k: i32, n: i32, accumulate: i32): void {
  if (accumulate) add(y, bias, n);
  else memory.copy(at(y), at(bias), 4 * n);
  const row = 4 * n;
  const wide = 4 * (n & ~3);
  let i = 0;
  for (; i + 8 <= k; i += 8) {
    const xi = at(x + i);
    const x0 = v128.load32_splat(xi);
    const x1 = v128.load32_splat(xi, 4);
    const x2 = v128.load32_splat(xi, 8);
    const x3 = v128.load32_splat(xi, 12);
    const x4 = v128.load32_splat(xi, 16);
    const x5 = v128.load32_splat(xi, 20);
    const x6 = v128.load32_splat(xi, 24);
    const x7 = v128.load32_splat(xi, 28);
    let w0 = at(w + i * n);
    let w4 = w0 + 4 * row;
    let to = at(y);
    const end = to + wide;
    const row2 = 2 * row;
    const row3 = 3 * row;
    for (; to < end; to += 16, w0 += 16, w4 += 16) {
      let even = f32x4.mul(x0, v128.load(w0));
      let odd = f32x4.mul(x4, v128.load(w4));
      even = madd(x1, v128.load(w0 + row), even);
      odd = madd(x5, v128.load(w4 + row), odd);
      even = madd(x2, v128.load(w0 + row2), even);
      odd = madd(x6, v128.load(w4 + row2), odd);
      even = madd(x3, v128.load(w0 + row3), even);
      odd = madd(x7, v128.load(w4 + row3), odd);
      v128.store(to, f32x4.add(v128.load(to), f32x4.add(even, odd)));
    }
    for (let j = n & ~3; j < n; j++) {
      let s: f32 = load<f32>(at(y + j));
      for (let r = 0; r < 8; r++) s += load<f32>(xi + 4 * r) * load<f32>(at(w + (i + r) * n + j));
      store<f32>(at(y + j), s);
    }
  }
  for (; i < k; i++) {
    const xi = load<f32>(at(x + i));
    for (let j = 0; j < n; j++) {
      store<f32>(at(y + j), load<f32>(at(y + j)) + xi * load<f32>(at(w + i * n + j)));
    }
  }
}

// @ts-ignore: decorator
@inline
export function dot(a: usize, b: usize, n: i32): f32 {
  let s = f32x4.splat(0);
  let t = f32x4.splat(0);
  const end = a + 4 * n;
  for (; a + 32 <= end; a += 32, b += 32) {
    s = madd(v128.load(a), v128.load(b), s);
    t = madd(v128.load(a, 16), v128.load(b, 16), t);
  }
  let total = sum4(f32x4.add(s, t));
  for (; a < end; a += 4, b += 4) total += load<f32>(a) * load<f32>(b);
  return total;
}

/** y[i] = W[i] · x for W (rows, k): the tied head for one row. */
export function matrixTimesRow(y: i32, w: i32, x: i32, rows: i32, k: i32): void {
  for (let i = 0; i < rows; i++) store<f32>(at(y + i), dot(at(w + i * k), at(x), k));
}
