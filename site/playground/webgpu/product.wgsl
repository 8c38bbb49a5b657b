// C (m, n) = A B, a tile of 64 × 64 a workgroup and of 4 × 4 a thread, with what comes before and after a product.
//
//   A_ROWS  A is stored (m, k), and m counts the rows of the activations; else (k, m), k counts them, and the sums of
//           B's columns, the gradient of a bias, are computed, too
//   B_ROWS  B is stored (k, n), else (n, k)
//
// Sixteen of the k lie in workgroup memory at a time, A and B as they are stored: all loads and stores are whole quads,
// and the transposition is a choice of registers. While they are multiplied, the next ones are on their way.
// A quad along k is stored at a place that depends on its row, so that eight threads never meet in a bank.
//
// The workgroup's z cuts k into parts, each with a C of its own. Numbers in workgroup memory are Stored in 32 or in 16 bits,
// all others have 32.

struct Product {
  m: u32, // of m and k, the one that the rows of a Span give is not read
  n: u32,
  k: u32,
  a: u32,
  b: u32,
  c: u32,
  bias: u32, // of the weights if A_ROWS, else of the gradients
  chunk: u32, // of k in one part
  slot: u32, // from one part's C to the next
  options: u32,
}

@group(0) @binding(0) var<uniform> span: Span;
@group(0) @binding(1) var<uniform> p: Product;
@group(0) @binding(2) var<storage, read> a: array<vec4f>;
@group(0) @binding(3) var<storage, read> b: array<vec4f>;
@group(0) @binding(4) var<storage, read> bias: array<vec4f>;
@group(0) @binding(5) var<storage, read> other: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> c: array<vec4f>;

// Bits of the options.
const GELU = 1u; // A is the GELU of what is stored
const BIAS = 2u; // + bias (n)
const RESIDUAL = 4u; // + other (m, n)
const SLOPE = 8u; // · GELU'(other)
const ADD = 16u; // + what C is already

var<workgroup> tileA: array<vec4<Stored>, 256>;
var<workgroup> tileB: array<vec4<Stored>, 256>;

// The place of quad `q` of 4 along k, in row `row` of 64.
fn place(row: u32, q: u32) -> u32 {
  return (row * 4u + q) ^ ((row >> 2u) & 7u);
}

fn loadA(first: u32, k: u32, end: u32, m: u32, thread: u32) -> vec4f {
  var value = vec4f();
  if (A_ROWS) {
    let row = first + (thread >> 2u);
    let q = (k >> 2u) + (thread & 3u);
    if (row < m && q * 4u < end) {
      value = a[p.a + (span.first + row) * (p.k >> 2u) + q];
    }
  } else {
    let l = k + (thread >> 4u);
    let q = (first >> 2u) + (thread & 15u);
    if (l < end && q * 4u < m) {
      value = a[p.a + l * (m >> 2u) + q];
    }
  }
  if ((p.options & GELU) != 0u) {
    return gelu(value);
  }
  return value;
}

fn loadB(first: u32, k: u32, end: u32, thread: u32) -> vec4f {
  if (B_ROWS) {
    let l = k + (thread >> 4u);
    let q = (first >> 2u) + (thread & 15u);
    if (l < end && q * 4u < p.n) {
      return b[p.b + l * (p.n >> 2u) + q];
    }
  } else {
    let column = first + (thread >> 2u);
    let q = (k >> 2u) + (thread & 3u);
    if (column < p.n && q * 4u < end) {
      return b[p.b + column * (p.k >> 2u) + q];
    }
  }
  return vec4f();
}

// Rows 4 i to 4 i + 4 of A, each a quad along k.
fn rowsOfA(i: u32, q: u32) -> mat4x4<Stored> {
  if (A_ROWS) {
    let row = i * 4u;
    return mat4x4(
      tileA[place(row, q)], tileA[place(row + 1u, q)], tileA[place(row + 2u, q)], tileA[place(row + 3u, q)],
    );
  }
  let l = q * 64u + i;
  return transpose(mat4x4(tileA[l], tileA[l + 16u], tileA[l + 32u], tileA[l + 48u]));
}

// Four of the k of B, each a quad of columns 4 j to 4 j + 4.
fn rowsOfB(j: u32, q: u32) -> mat4x4<Stored> {
  if (B_ROWS) {
    let l = q * 64u + j;
    return mat4x4(tileB[l], tileB[l + 16u], tileB[l + 32u], tileB[l + 48u]);
  }
  let column = j * 4u;
  return transpose(mat4x4(
    tileB[place(column, q)], tileB[place(column + 1u, q)], tileB[place(column + 2u, q)], tileB[place(column + 3u, q)],
  ));
}

fn times(row: vec4f, m: mat4x4f, sum: vec4f) -> vec4f {
  return row.w * m[3] + (row.z * m[2] + (row.y * m[1] + (row.x * m[0] + sum)));
}

fn finish(row: u32, m: u32, q: u32, part: u32, sum: vec4f) {
  if (row >= m || q * 4u >= p.n) {
    return;
  }
  let width = p.n >> 2u;
  let at = select(row, span.first + row, A_ROWS) * width + q;
  var value = sum;
  if ((p.options & BIAS) != 0u) {
    value += bias[p.bias + q];
  }
  if ((p.options & RESIDUAL) != 0u) {
    value += other[at];
  }
  if ((p.options & SLOPE) != 0u) {
    value *= geluSlope(other[at]);
  }
  let to = p.c + part * p.slot + at;
  if ((p.options & ADD) != 0u) {
    value += c[to];
  }
  c[to] = value;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let m = select(p.m, span.rows, A_ROWS);
  let k = select(span.rows, p.k, A_ROWS);
  let begin = group.z * p.chunk;
  let end = min(k, begin + p.chunk);
  let firstRow = group.y * 64u;
  let firstColumn = group.x * 64u;
  let i = thread >> 4u;
  let j = thread & 15u;
  let swizzled = place(thread >> 2u, thread & 3u);
  let toA = select(thread, swizzled, A_ROWS);
  let toB = select(swizzled, thread, B_ROWS);
  var sum0 = vec4f();
  var sum1 = vec4f();
  var sum2 = vec4f();
  var sum3 = vec4f();
  var columns = vec4f();
  var nextA = loadA(firstRow, begin, end, m, thread);
  var nextB = loadB(firstColumn, begin, end, thread);
  for (var l = begin; l < end; l += 16u) {
    tileA[toA] = vec4<Stored>(nextA);
    tileB[toB] = vec4<Stored>(nextB);
    workgroupBarrier();
    nextA = loadA(firstRow, l + 16u, end, m, thread);
    nextB = loadB(firstColumn, l + 16u, end, thread);
    for (var q = 0u; q < 4u; q++) {
      let rows = mat4x4f(rowsOfA(i, q));
      let quads = mat4x4f(rowsOfB(j, q));
      sum0 = times(rows[0], quads, sum0);
      sum1 = times(rows[1], quads, sum1);
      sum2 = times(rows[2], quads, sum2);
      sum3 = times(rows[3], quads, sum3);
      if (!A_ROWS && group.y == 0u) {
        columns += (quads[0] + quads[1]) + (quads[2] + quads[3]);
      }
    }
    workgroupBarrier();
  }
  let row = firstRow + i * 4u;
  let q = (firstColumn >> 2u) + j;
  finish(row, m, q, group.z, sum0);
  finish(row + 1u, m, q, group.z, sum1);
  finish(row + 2u, m, q, group.z, sum2);
  finish(row + 3u, m, q, group.z, sum3);
  if (!A_ROWS && p.bias != NO_BIAS && group.y == 0u && i == 0u && q * 4u < p.n) {
    c[p.bias + group.z * p.slot + q] = columns;
  }
}
