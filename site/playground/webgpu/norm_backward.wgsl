// With g = dy gain:  dx += r (g − mean(g) − x̂ mean(g x̂)),  dgain = Σ dy x̂,  dbias = Σ dy.
//
// The first workgroups take rows, for dx; each of the others one quad of columns, for the sums over rows.

struct NormBackward {
  gain: u32,
  dGain: u32,
  dBias: u32,
  add: u32, // to what dx is already
}

@group(0) @binding(0) var<uniform> norm: NormBackward;
@group(0) @binding(1) var<storage, read> dy: array<vec4f>;
@group(0) @binding(2) var<storage, read> x: array<vec4f>;
@group(0) @binding(3) var<storage, read> moments: array<vec2f>;
@group(0) @binding(4) var<storage, read> weights: array<vec4f>;
@group(0) @binding(5) var<storage, read_write> dx: array<vec4f>;
@group(0) @binding(6) var<storage, read_write> gradients: array<vec4f>;

const ROW_GROUPS = (ROWS + ROWS_TOGETHER - 1u) / ROWS_TOGETHER;
@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  if (group.x < ROW_GROUPS) {
    alongRow(group.x * ROWS_TOGETHER + thread / LANES, thread);
  } else {
    alongColumns(group.x - ROW_GROUPS, thread);
  }
}

fn alongRow(row: u32, thread: u32) {
  let lane = thread % LANES;
  let end = select(0u, D4, row < ROWS);
  let start = row * D4;
  let meanAndR = moments[min(row, ROWS - 1u)];
  var sum = vec4f();
  var sumHat = vec4f();
  for (var c = lane; c < end; c += LANES) {
    let g = dy[start + c] * weights[norm.gain + c];
    sum += g;
    sumHat += g * (x[start + c] - meanAndR.x) * meanAndR.y;
  }
  let meanG = rowSum(thread, sumOf(sum)) / f32(D);
  let meanGHat = rowSum(thread, sumOf(sumHat)) / f32(D);
  for (var c = lane; c < end; c += LANES) {
    let g = dy[start + c] * weights[norm.gain + c];
    let hat = (x[start + c] - meanAndR.x) * meanAndR.y;
    let own = meanAndR.y * (g - meanG - hat * meanGHat);
    if (norm.add == 1u) {
      dx[start + c] += own;
    } else {
      dx[start + c] = own;
    }
  }
}

fn alongColumns(c: u32, thread: u32) {
  var sum = vec4f();
  var sumHat = vec4f();
  for (var row = thread; row < ROWS; row += 256u) {
    let meanAndR = moments[row];
    let up = dy[row * D4 + c];
    sum += up;
    sumHat += up * (x[row * D4 + c] - meanAndR.x) * meanAndR.y;
  }
  let dBias = groupSum(thread, sum);
  let dGain = groupSum(thread, sumHat);
  if (thread == 0u) {
    gradients[norm.dBias + c] = dBias;
    gradients[norm.dGain + c] = dGain;
  }
}
