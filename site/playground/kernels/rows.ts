// Sums of rows, and the products with one row that generation consists of.

import { at, madd, sum4 } from "./common";

/** out[j] = Σ_i x[i, j]. */
export function columnSums(out: i32, x: i32, rows: i32, columns: i32): void {
  memory.fill(at(out), 0, 4 * columns);
  const row = 4 * columns;
  const wide = 4 * (columns & ~3);
  let i = 0;
  for (; i + 4 <= rows; i += 4) {
    let from = at(x + i * columns);
    let to = at(out);
    for (const end = to + wide; to < end; to += 16, from += 16) {
      const upper = f32x4.add(v128.load(from), v128.load(from + row));
      const lower = f32x4.add(v128.load(from + 2 * row), v128.load(from + 3 * row));
      v128.store(to, f32x4.add(v128.load(to), f32x4.add(upper, lower)));
    }
    for (const end = at(out) + row; to < end; to += 4, from += 4) {
      const upper = load<f32>(from) + load<f32>(from + row);
      store<f32>(to, load<f32>(to) + upper + (load<f32>(from + 2 * row) + load<f32>(from + 3 * row)));
    }
  }
  for (; i < rows; i++) add(out, x + i * columns, columns);
}

/** y += x, element-wise. */
export function add(y: i32, x: i32, n: i32): void {
  let to = at(y);
  let from = at(x);
  const end = to + 4 * n;
  for (; to + 16 <= end; to += 16, from += 16) v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
  for (; to < end; to += 4, from += 4) store<f32>(to, load<f32>(to) + load<f32>(from));
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

// The sums over the lanes of four vectors, as one.
// @ts-ignore: decorator
@inline
function sums4(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<f64>(ab, cd, 0, 2), v128.shuffle<f64>(ab, cd, 1, 3));
}

// One number of each of four rows.
// @ts-ignore: decorator
@inline
function gather4(p: usize, row: i32): v128 {
  let x = v128.load32_zero(p);
  x = v128.load32_lane(p + row, x, 1);
  x = v128.load32_lane(p + 2 * row, x, 2);
  return v128.load32_lane(p + 3 * row, x, 3);
}

/** y = W x for W (n, k), four rows at a time. */
export function matrixTimesRow(y: i32, w: i32, x: i32, n: i32, k: i32): void {
  const row = 4 * k;
  let i = 0;
  for (; i + 4 <= n; i += 4) {
    let p = at(w + i * k);
    let from = at(x);
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    let t0 = f32x4.splat(0);
    let t1 = f32x4.splat(0);
    let t2 = f32x4.splat(0);
    let t3 = f32x4.splat(0);
    const end = from + row;
    for (; from + 32 <= end; from += 32, p += 32) {
      const low = v128.load(from);
      const high = v128.load(from, 16);
      const p1 = p + row;
      const p2 = p1 + row;
      const p3 = p2 + row;
      s0 = madd(low, v128.load(p), s0);
      t0 = madd(high, v128.load(p, 16), t0);
      s1 = madd(low, v128.load(p1), s1);
      t1 = madd(high, v128.load(p1, 16), t1);
      s2 = madd(low, v128.load(p2), s2);
      t2 = madd(high, v128.load(p2, 16), t2);
      s3 = madd(low, v128.load(p3), s3);
      t3 = madd(high, v128.load(p3, 16), t3);
    }
    let total = sums4(f32x4.add(s0, t0), f32x4.add(s1, t1), f32x4.add(s2, t2), f32x4.add(s3, t3));
    for (; from < end; from += 4, p += 4) {
      const rest = gather4(p, row);
      total = madd(v128.load32_splat(from), rest, total);
    }
    v128.store(at(y + i), total);
  }
  for (; i < n; i++) store<f32>(at(y + i), dot(at(w + i * k), at(x), k));
}
