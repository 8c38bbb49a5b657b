// Cross-entropy of each row and its gradient: loss = log Σ e^logit − logit[next token], and the logits are replaced by
// ∂(mean loss)/∂logits = (softmax − onehot) / N.

@group(0) @binding(0) var<storage, read> tokens: array<u32>; // inputs, then targets
@group(0) @binding(1) var<storage, read_write> logits: array<vec4f>; // (N, V)
@group(0) @binding(2) var<storage, read_write> report: array<f32>; // the gradient's norm, then the rows' losses

const V4 = VOCABULARY / 4u;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let row = group.x * ROWS_TOGETHER + thread / LANES;
  let end = select(0u, V4, row < ROWS);
  let start = row * V4;
  let next = tokens[ROWS + min(row, ROWS - 1u)];
  var largest = vec4f(-3e38);
  for (var c = lane; c < end; c += LANES) {
    largest = max(largest, logits[start + c]);
  }
  let top = rowMax(thread, max(max(largest.x, largest.y), max(largest.z, largest.w)));
  var sum = vec4f();
  for (var c = lane; c < end; c += LANES) {
    sum += exp(logits[start + c] - top);
  }
  let total = rowSum(thread, sumOf(sum));
  for (var c = lane; c < end; c += LANES) {
    let logit = logits[start + c];
    var onehot = vec4f();
    if (c == next >> 2u) {
      onehot = vec4f(vec4u(next & 3u) == vec4u(0u, 1u, 2u, 3u));
      report[1u + row] = log(total) + top - dot(logit, onehot);
    }
    logits[start + c] = (exp(logit - top) / total - onehot) / f32(ROWS);
  }
}
