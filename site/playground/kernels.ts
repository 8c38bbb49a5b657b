// GPT-2's loops in AssemblyScript, four numbers at a time (WebAssembly SIMD).
//
// Every function has a twin of the same name and arguments in plain JavaScript (kernels-js.js); engine/ calls either.

export { heapStart, matmul, matmulPanels, panelColumns, rowTimesPanels } from "./kernels/product";
export { add, columnSums, matrixTimesRow } from "./kernels/rows";
export { layerNorm, layerNormBackward, scaleShift } from "./kernels/norm";
export { gelu, geluBackward } from "./kernels/gelu";
export {
  attentionStep, causalSoftmax, causalSoftmaxBackward, queries, remember, scale, softmaxRows,
} from "./kernels/attention";
export { adamw, sumSquares } from "./kernels/update";
