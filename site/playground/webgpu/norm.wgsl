// y = x̂ gain + bias with x̂ = (x − mean) r and r = 1 / √(variance + eps); mean and r stay for the backward.

struct Norm {
  gain: u32,
  bias: u32,
}

@group(0) @binding(0) var<uniform> span: Span;
@group(0) @binding(1) var<uniform> norm: Norm;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> weights: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> moments: array<vec2f>;
@group(0) @binding(5) var<storage, read_write> y: array<vec4f>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let lane = thread % LANES;
  let row = span.first + group.x * ROWS_TOGETHER + thread / LANES;
  let end = select(0u, D4, row < span.first + span.rows); // no column of a row that is not there
  let start = row * D4;
  var sum = vec4f();
  for (var c = lane; c < end; c += LANES) {
    sum += x[start + c];
  }
  let mean = rowSum(thread, sumOf(sum)) / f32(D);
  var squares = vec4f();
  for (var c = lane; c < end; c += LANES) {
    let deviation = x[start + c] - mean;
    squares += deviation * deviation;
  }
  let r = inverseSqrt(rowSum(thread, sumOf(squares)) / f32(D) + EPS);
  for (var c = lane; c < end; c += LANES) {
    y[start + c] = (x[start + c] - mean) * r * weights[norm.gain + c] + weights[norm.bias + c];
  }
  if (lane == 0u && end > 0u) {
    moments[row] = vec2f(mean, r);
  }
}
