// Cross-entropy of each row of a block and its gradient: loss = log Σ e^logit − logit[next token], and the logits are
// replaced by ∂loss/∂logits = softmax − onehot. That all rows share one mean is left to gather.wgsl: gradients divided
// by N here would be too small for 16 bits.

@group(0) @binding(0) var<uniform> block: Span;
@group(0) @binding(1) var<storage, read> tokens: array<u32>; // inputs, then targets
@group(0) @binding(2) var<storage, read_write> logits: array<vec4f>; // of the block's rows (V, up to a multiple of 4)
@group(0) @binding(3) var<storage, read_write> report: array<f32>; // the gradient's norm, then the rows' losses

const V4 = (VOCABULARY + 3u) / 4u;
const LOWEST = -3e38; // stands for a token that does not exist

fn logitsAt(start: u32, c: u32) -> vec4f {
  let exists = vec4u(c * 4u) + vec4u(0u, 1u, 2u, 3u) < vec4u(VOCABULARY);
  return select(vec4f(LOWEST), logits[start + c], exists);
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let row = group.x * ROWS_TOGETHER + thread / LANES;
  let end = select(0u, V4, row < block.rows);
  let start = row * V4;
  let ofAll = block.first + min(row, block.rows - 1u);
  let next = tokens[ROWS + ofAll];
  var largest = vec4f(LOWEST);
  for (var c = lane; c < end; c += LANES) {
    largest = max(largest, logitsAt(start, c));
  }
  let top = rowMax(thread, max(max(largest.x, largest.y), max(largest.z, largest.w)));
  var sum = vec4f();
  for (var c = lane; c < end; c += LANES) {
    sum += exp(logitsAt(start, c) - top);
  }
  let total = rowSum(thread, sumOf(sum));
  for (var c = lane; c < end; c += LANES) {
    let logit = logitsAt(start, c);
    var onehot = vec4f();
    if (c == next >> 2u) {
      onehot = vec4f(vec4u(next & 3u) == vec4u(0u, 1u, 2u, 3u));
      report[1u + ofAll] = log(total) + top - dot(logit, onehot);
    }
    logits[start + c] = exp(logit - top) / total - onehot;
  }
}
