// GPT-2's loops in plain JavaScript: the 1× line of the page's curve, and the kernels of browsers without SIMD.
//
// Every function has a twin of the same name and arguments in kernels.ts. Arguments that name arrays are element
// offsets into one heap of float32. Sums are in float64, JavaScript's type of numbers.

const TILE_ROWS = 3;
const TILE_COLUMNS = 2;
const BLOCK_ROWS = 48;
const BLOCK_INNER = 256;
const BLOCK_COLUMNS = 256;
const PANEL_COLUMNS = 4;
const PANELS = 0; // as a stride of B: B is in panels already
const QUERIES = 32; // that attention.js takes at a time

const GELU_SCALE = Math.sqrt(2 / Math.PI);
const GELU_CUBIC = 0.044715;

// 2^n for every n that exp needs.
const LOWEST = -126;
const HIGHEST = 127;
const POWERS = Float64Array.from({ length: HIGHEST - LOWEST + 1 }, (_, i) => 2 ** (LOWEST + i));

// e^x = 2^n 2^r with n = round(x / ln 2), as in kernels/common.ts: relative error 2e-9. Math.exp is a call, and slower.
function exp(x) {
  const scaled = Math.max(LOWEST, Math.min(HIGHEST, x * Math.LOG2E));
  const n = Math.floor(scaled + 0.5);
  const r = scaled - n;
  let p = 1.5353361817e-4;
  p = p * r + 1.3398874445e-3;
  p = p * r + 9.6184373583e-3;
  p = p * r + 5.550332471e-2;
  p = p * r + 2.4022647914e-1;
  p = p * r + 6.9314720286e-1;
  return POWERS[n - LOWEST] * (p * r + 1);
}

// The panels of a product are constants of the module: V8 compiles the address and length of a constant into the loop,
// and otherwise loads them in every iteration, which costs as much as the arithmetic.
const packedA = new Float64Array(BLOCK_ROWS * BLOCK_INNER);
const packedB = new Float64Array(BLOCK_INNER * BLOCK_COLUMNS);

// Add one 3 × 2 tile to c, limited to `rows` and `columns`. Its six sums and six products stay in registers; those of a
// larger tile do not. "| 0" makes indices 32-bit integers.
function tile(heap, a, b, k, c, cRow, rows, columns) {
  let s00 = 0,
    s01 = 0,
    s10 = 0,
    s11 = 0,
    s20 = 0,
    s21 = 0;
  for (const end = (a + TILE_ROWS * k) | 0; a < end; a = (a + TILE_ROWS) | 0, b = (b + TILE_COLUMNS) | 0) {
    const b0 = packedB[b],
      b1 = packedB[(b + 1) | 0];
    const a0 = packedA[a],
      a1 = packedA[(a + 1) | 0],
      a2 = packedA[(a + 2) | 0];
    s00 += a0 * b0;
    s01 += a0 * b1;
    s10 += a1 * b0;
    s11 += a1 * b1;
    s20 += a2 * b0;
    s21 += a2 * b1;
  }
  heap[c] += s00;
  if (rows > 1) heap[c + cRow] += s10;
  if (rows > 2) heap[c + 2 * cRow] += s20;
  if (columns < 2) return;
  heap[c + 1] += s01;
  if (rows > 1) heap[c + cRow + 1] += s11;
  if (rows > 2) heap[c + 2 * cRow + 1] += s21;
}

/**
 * Create kernels and their heap.
 *
 * @param {number} floats size of the heap
 * @throws {RangeError} the memory was refused
 */
export function createKernels(floats) {
  const heapStart = 4; // offset 0 means "none"
  const heap = new Float32Array(heapStart + floats);

  // ---- matrix product --------------------------------------------------------------------------------------------

  // Groups of `group` lines (rows of A, columns of B), inner index outermost within a group; missing lines are zeros.
  function pack(packed, to, group, from, line, inner, lines, k) {
    for (let i = 0; i < lines; i += group) {
      for (let l = 0; l < k; l++) {
        let p = from + i * line + l * inner;
        for (let r = 0; r < group; r++, p += line) packed[to++] = i + r < lines ? heap[p] : 0;
      }
    }
  }

  // Columns j to j + n and rows l to l + inner of B, whose k rows are in panels.
  function packPanels(b, j, l, k, n, inner) {
    for (let i = 0; i < n; i += PANEL_COLUMNS) {
      const from = b + (j + i) * k + l * PANEL_COLUMNS;
      pack(packedB, i * inner, TILE_COLUMNS, from, 1, PANEL_COLUMNS, Math.min(PANEL_COLUMNS, n - i), inner);
    }
  }

  function matmul(c, cRow, a, aRow, aColumn, b, bRow, bColumn, m, n, k, accumulate, bias) {
    for (let i = 0; i < m; i++) {
      const row = c + i * cRow;
      if (!accumulate) heap.fill(0, row, row + n);
      if (bias) add(row, bias, n);
    }
    for (let j = 0; j < n; j += BLOCK_COLUMNS) {
      const columns = Math.min(BLOCK_COLUMNS, n - j);
      for (let l = 0; l < k; l += BLOCK_INNER) {
        const inner = Math.min(BLOCK_INNER, k - l);
        if (bRow === PANELS) packPanels(b, j, l, k, columns, inner);
        else pack(packedB, 0, TILE_COLUMNS, b + l * bRow + j * bColumn, bColumn, bRow, columns, inner);
        for (let i = 0; i < m; i += BLOCK_ROWS) {
          const rows = Math.min(BLOCK_ROWS, m - i);
          pack(packedA, 0, TILE_ROWS, a + i * aRow + l * aColumn, aRow, aColumn, rows, inner);
          for (let s = 0; s < columns; s += TILE_COLUMNS) {
            for (let r = 0; r < rows; r += TILE_ROWS) {
              tile(heap, r * inner, s * inner, inner, c + (i + r) * cRow + j + s, cRow, rows - r, columns - s);
            }
          }
        }
      }
    }
  }

  function matmulPanels(c, cRow, a, aRow, panels, m, n, k, accumulate, bias) {
    matmul(c, cRow, a, aRow, 1, panels, PANELS, 0, m, n, k, accumulate, bias);
  }

  function add(y, x, n) {
    for (let i = 0; i < n; i++) heap[y + i] += heap[x + i];
  }

  function columnSums(out, x, rows, columns) {
    heap.fill(0, out, out + columns);
    for (let i = 0; i < rows; i++) add(out, x + i * columns, columns);
  }

  function dot(a, b, n) {
    let s = 0;
    for (let i = 0; i < n; i++) s += heap[a + i] * heap[b + i];
    return s;
  }

  // Four rows at a time share the values of x.
  function matrixTimesRow(y, w, x, n, k) {
    let i = 0;
    for (; i + 4 <= n; i += 4) {
      const row = w + i * k;
      let s0 = 0,
        s1 = 0,
        s2 = 0,
        s3 = 0;
      for (let j = 0; j < k; j++) {
        const p = row + j;
        const value = heap[x + j];
        s0 += heap[p] * value;
        s1 += heap[p + k] * value;
        s2 += heap[p + 2 * k] * value;
        s3 += heap[p + 3 * k] * value;
      }
      heap[y + i] = s0;
      heap[y + i + 1] = s1;
      heap[y + i + 2] = s2;
      heap[y + i + 3] = s3;
    }
    for (; i < n; i++) heap[y + i] = dot(w + i * k, x, k);
  }

  function rowTimesPanels(y, x, panels, n, k, accumulate, bias) {
    for (let j = 0; j < n; j += PANEL_COLUMNS, panels += PANEL_COLUMNS * k) {
      let s0 = 0,
        s1 = 0,
        s2 = 0,
        s3 = 0;
      for (let l = 0, p = panels; l < k; l++, p += PANEL_COLUMNS) {
        const value = heap[x + l];
        s0 += value * heap[p];
        s1 += value * heap[p + 1];
        s2 += value * heap[p + 2];
        s3 += value * heap[p + 3];
      }
      put(y + j, s0, bias && bias + j, accumulate);
      if (j + 1 < n) put(y + j + 1, s1, bias && bias + j + 1, accumulate);
      if (j + 2 < n) put(y + j + 2, s2, bias && bias + j + 2, accumulate);
      if (j + 3 < n) put(y + j + 3, s3, bias && bias + j + 3, accumulate);
    }
  }

  function put(to, value, bias, accumulate) {
    heap[to] = value + (bias ? heap[bias] : 0) + (accumulate ? heap[to] : 0);
  }

  // ---- layer normalisation ---------------------------------------------------------------------------------------

  function layerNorm(y, xHat, r, x, gain, bias, rows, d, eps) {
    for (let i = 0; i < rows; i++) {
      const from = x + i * d;
      const hat = xHat + i * d;
      let mean = 0;
      for (let j = 0; j < d; j++) mean += heap[from + j];
      mean /= d;
      let variance = 0;
      for (let j = 0; j < d; j++) variance += (heap[from + j] - mean) ** 2;
      const factor = 1 / Math.sqrt(variance / d + eps);
      heap[r + i] = factor;
      for (let j = 0; j < d; j++) heap[hat + j] = (heap[from + j] - mean) * factor;
    }
    scaleShift(y, xHat, gain, bias, rows, d);
  }

  function scaleShift(y, xHat, gain, bias, rows, d) {
    for (let i = 0; i < rows; i++) {
      for (let j = 0; j < d; j++) heap[y + i * d + j] = heap[xHat + i * d + j] * heap[gain + j] + heap[bias + j];
    }
  }

  function layerNormBackward(dx, dGain, dBias, dy, xHat, r, gain, rows, d) {
    heap.fill(0, dGain, dGain + d);
    columnSums(dBias, dy, rows, d);
    for (let i = 0; i < rows; i++) {
      const up = dy + i * d;
      const hat = xHat + i * d;
      let meanG = 0;
      let meanGHat = 0;
      for (let j = 0; j < d; j++) {
        const product = heap[up + j] * heap[hat + j];
        heap[dGain + j] += product;
        meanG += heap[up + j] * heap[gain + j];
        meanGHat += product * heap[gain + j];
      }
      meanG /= d;
      meanGHat /= d;
      const factor = heap[r + i];
      for (let j = 0; j < d; j++) {
        heap[dx + i * d + j] += factor * (heap[up + j] * heap[gain + j] - meanG - heap[hat + j] * meanGHat);
      }
    }
  }

  // ---- GELU ------------------------------------------------------------------------------------------------------

  function gelu(y, gate, x, n) {
    for (let i = 0; i < n; i++) {
      const value = heap[x + i];
      const s = 1 / (1 + exp(-2 * GELU_SCALE * value * (1 + GELU_CUBIC * value * value)));
      heap[gate + i] = s;
      heap[y + i] = value * s;
    }
  }

  function geluBackward(dy, y, gate, x, n) {
    for (let i = 0; i < n; i++) {
      const value = heap[x + i];
      const s = heap[gate + i];
      heap[y + i] = value * s;
      heap[dy + i] *= s * (1 + value * 2 * GELU_SCALE * (1 + 3 * GELU_CUBIC * value * value) * (1 - s));
    }
  }

  // ---- softmax ---------------------------------------------------------------------------------------------------

  function softmax(x, n, factor) {
    let top = -Infinity;
    for (let i = 0; i < n; i++) top = Math.max(top, heap[x + i]);
    let total = 0;
    for (let i = 0; i < n; i++) {
      const e = exp((heap[x + i] - top) * factor);
      heap[x + i] = e;
      total += e;
    }
    scale(x, n, 1 / total);
  }

  function softmaxRows(logits, rows, n) {
    for (let i = 0; i < rows; i++) softmax(logits + i * n, n, 1);
  }

  function scale(x, n, factor) {
    for (let i = 0; i < n; i++) heap[x + i] *= factor;
  }

  // ---- attention -------------------------------------------------------------------------------------------------

  function causalSoftmax(scores, t, i, rows, c) {
    for (let r = 0; r < rows; r++) {
      softmax(scores + r * t, i + r + 1, 1 / Math.sqrt(c));
      heap.fill(0, scores + r * t + i + r + 1, scores + r * t + i + rows);
    }
  }

  function causalSoftmaxBackward(ds, p, t, rows, seen, c) {
    const cool = 1 / Math.sqrt(c);
    for (let r = 0; r < rows; r++, ds += t, p += t) {
      const mean = dot(p, ds, seen);
      for (let j = 0; j < seen; j++) heap[ds + j] = heap[p + j] * (heap[ds + j] - mean) * cool;
    }
  }

  function remember(cache, x, position, rows, room, heads, c) {
    for (let h = 0; h < heads; h++) {
      for (let i = 0; i < rows; i++) {
        const from = x + i * 3 * heads * c + h * c;
        heap.copyWithin(cache + (h * room + position + i) * c, from, from + c);
      }
    }
  }

  function attentionStep(y, q, keys, values, scores, n, room, heads, c) {
    const cool = 1 / Math.sqrt(c);
    for (let h = 0; h < heads; h++) {
      const key = keys + h * room * c;
      const value = values + h * room * c;
      matrixTimesRow(scores, key, q + h * c, n, c);
      softmax(scores, n, cool);
      const to = y + h * c;
      heap.fill(0, to, to + c);
      for (let j = 0; j < n; j++) {
        const share = heap[scores + j];
        for (let x = 0; x < c; x++) heap[to + x] += share * heap[value + j * c + x];
      }
    }
  }

  // ---- update ----------------------------------------------------------------------------------------------------

  function sumSquares(x, n) {
    return dot(x, x, n);
  }

  function adamw(p, g, m, v, n, clip, keep, rate, beta1, beta2, correction1, correction2, eps) {
    for (let i = 0; i < n; i++) {
      const gradient = heap[g + i] * clip;
      const first = heap[m + i] * beta1 + (1 - beta1) * gradient;
      const second = heap[v + i] * beta2 + (1 - beta2) * gradient * gradient;
      heap[m + i] = first;
      heap[v + i] = second;
      const update = (rate * (first / correction1)) / (Math.sqrt(second / correction2) + eps);
      heap[p + i] = heap[p + i] * keep - update;
    }
  }

  return {
    name: "js",
    heap,
    heapStart,
    panelColumns: PANEL_COLUMNS,
    queries: QUERIES,
    matmul,
    matmulPanels,
    rowTimesPanels,
    add,
    columnSums,
    matrixTimesRow,
    layerNorm,
    scaleShift,
    layerNormBackward,
    gelu,
    geluBackward,
    softmaxRows,
    scale,
    causalSoftmax,
    causalSoftmaxBackward,
    remember,
    attentionStep,
    sumSquares,
    adamw,
  };
}
