// Load the compiled kernels.ts, with or without relaxed SIMD (fused multiply-add), and create kernels with a memory of
// fixed size: growing a WebAssembly memory would detach every view of it.

const PAGE_BYTES = 65536;
const MOST_BYTES = 2 ** 31; // offsets are signed 32-bit numbers of floats, and browsers refuse much more anyway

// A module with one function, i8x16.popcnt(i8x16.splat(0)): valid only with SIMD.
const SIMD_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11,
]);

// The same with f32x4.relaxed_madd on three zeros.
const RELAXED_PROBE = new Uint8Array([
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 19, 1, 17, 0, 65, 0, 253, 17, 65, 0, 253, 17, 65,
  0, 253, 17, 253, 133, 2, 11,
]);

/** The file that this browser computes fastest with, or null if it has no WebAssembly SIMD. */
export function kernelFile() {
  if (typeof WebAssembly !== "object" || !WebAssembly.validate(SIMD_PROBE)) return null;
  return WebAssembly.validate(RELAXED_PROBE) ? "kernels-relaxed.wasm" : "kernels.wasm";
}

/**
 * Fetch and compile kernels once.
 *
 * @param {URL} url of one of the files
 * @returns {Promise<(floats: number) => object>} creates kernels with a heap; throws RangeError if memory is refused
 */
export async function loadKernels(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`cannot load ${url.pathname}: ${response.status}`);
  return compileKernels(await response.arrayBuffer());
}

/** Compile kernels from the bytes of a file. */
async function compileKernels(bytes) {
  const module = await WebAssembly.compile(bytes);
  const start = new WebAssembly.Instance(module, { env: { memory: new WebAssembly.Memory({ initial: 1 }) } });
  const [heapStart, panelColumns, queries] = ["heapStart", "panelColumns", "queries"].map(
    (name) => start.exports[name].value,
  );
  return (floats) => {
    const size = 4 * (heapStart + floats);
    if (size > MOST_BYTES) throw new RangeError(`${size} bytes`);
    const memory = new WebAssembly.Memory({ initial: Math.ceil(size / PAGE_BYTES) });
    const { exports } = new WebAssembly.Instance(module, { env: { memory } });
    return { ...exports, name: "wasm", heap: new Float32Array(memory.buffer), heapStart, panelColumns, queries };
  };
}
