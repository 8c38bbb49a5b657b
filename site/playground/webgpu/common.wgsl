// Shared by all shaders. A quad is four numbers that lie side by side; offsets and strides count quads.
//
// Constants that a shader uses come before this text (program.js); passes.js has their values.

// Rows of the activations that a dispatch computes: all of a batch, or of a text from some position on.
struct Span {
  first: u32,
  rows: u32,
}

const GELU_SCALE = 0.7978845608028654; // √(2 / π)
const GELU_CUBIC = 0.044715;

fn geluGate(x: vec4f) -> vec4f {
  return 1.0 / (1.0 + exp(-2.0 * GELU_SCALE * x * (1.0 + GELU_CUBIC * x * x)));
}

fn gelu(x: vec4f) -> vec4f {
  return x * geluGate(x);
}

fn geluSlope(x: vec4f) -> vec4f {
  let s = geluGate(x);
  return s * (1.0 + x * 2.0 * GELU_SCALE * (1.0 + 3.0 * GELU_CUBIC * x * x) * (1.0 - s));
}

fn sumOf(x: vec4f) -> f32 {
  return (x.x + x.y) + (x.z + x.w);
}

// Eight rows a workgroup, with 32 lanes each.
const LANES = 32u;
const ROWS_TOGETHER = 8u;
var<workgroup> lanes: array<f32, 256>;

// The sum over the lanes of a row; all invocations call it together. Each adds all of them up itself: reading costs less
// than the barriers of a tree.
fn rowSum(thread: u32, value: f32) -> f32 {
  lanes[thread] = value;
  workgroupBarrier();
  let start = thread - thread % LANES;
  var total = 0.0;
  for (var i = 0u; i < LANES; i++) {
    total += lanes[start + i];
  }
  workgroupBarrier();
  return total;
}

fn rowMax(thread: u32, value: f32) -> f32 {
  lanes[thread] = value;
  workgroupBarrier();
  let start = thread - thread % LANES;
  var top = value;
  for (var i = 0u; i < LANES; i++) {
    top = max(top, lanes[start + i]);
  }
  workgroupBarrier();
  return top;
}
