// Clip the gradient at a global norm, then one update of AdamW for every weight. Matrices decay, and come first.
//
// Each workgroup adds up the partial sums of squares itself, which costs less than another pass. If the norm is no
// finite number, nothing is updated.

struct Update {
  rate: f32,
  beta1: f32,
  beta2: f32,
  rest1: f32, // 1 − beta1
  rest2: f32,
  correction1: f32, // 1 − beta1^t
  correction2: f32,
  eps: f32,
  keep: f32, // of a weight that decays
  clip: f32,
}

@group(0) @binding(0) var<uniform> update: Update;
@group(0) @binding(1) var<storage, read> squares: array<f32>;
@group(0) @binding(2) var<storage, read> gradients: array<vec4f>;
@group(0) @binding(3) var<storage, read_write> weights: array<vec4f>;
@group(0) @binding(4) var<storage, read_write> firstMoments: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> secondMoments: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> report: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let part = select(0.0, squares[min(thread, SUM_GROUPS - 1u)], thread < SUM_GROUPS);
  let norm = sqrt(groupSum(thread, vec4f(part)).x);
  if (group.x == 0u && thread == 0u) {
    report[0] = norm;
  }
  // Compilers may take for granted that a number is finite; its bits say whether it is.
  if ((bitcast<u32>(norm) & 0x7f800000u) == 0x7f800000u) {
    return;
  }
  let factor = min(1.0, update.clip / (norm + 1e-6));
  for (var i = group.x * 256u + thread; i < QUADS; i += UPDATE_GROUPS * 256u) {
    let gradient = gradients[i] * factor;
    let first = firstMoments[i] * update.beta1 + update.rest1 * gradient;
    let second = secondMoments[i] * update.beta2 + update.rest2 * gradient * gradient;
    firstMoments[i] = first;
    secondMoments[i] = second;
    let change = update.rate * (first / update.correction1) / (sqrt(second / update.correction2) + update.eps);
    weights[i] = weights[i] * select(1.0, update.keep, i < DECAYING_QUADS) - change;
  }
}
