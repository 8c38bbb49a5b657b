// d wte[v] += Σ of dx over the rows whose token is v; d wpe[p] = Σ of dx over the rows at position p.
//
// A workgroup for each token id, then one for each position. Each adds its rows in order, so no two write one number. The
// invocations look for the rows of a token together, each in some of the words with a bit for every row.

@group(0) @binding(0) var<storage, read> tokens: array<u32>;
@group(0) @binding(1) var<storage, read> dx: array<vec4f>;
@group(0) @binding(2) var<storage, read_write> gradients: array<vec4f>;

const WORDS = (ROWS + 31u) / 32u;
var<workgroup> found: array<u32, WORDS>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  for (var word = thread; word < WORDS; word += 64u) {
    var bits = 0u;
    for (var bit = 0u; bit < min(32u, ROWS - word * 32u); bit++) {
      bits |= select(0u, 1u << bit, tokens[word * 32u + bit] == group.x);
    }
    found[word] = bits;
  }
  workgroupBarrier();
  for (var c = thread; c < D4; c += 64u) {
    if (group.x < VOCABULARY) {
      var sum = gradients[WTE + group.x * D4 + c];
      for (var word = 0u; word < WORDS; word++) {
        for (var bits = found[word]; bits != 0u; bits &= bits - 1u) {
          sum += dx[(word * 32u + firstTrailingBit(bits)) * D4 + c];
        }
      }
      gradients[WTE + group.x * D4 + c] = sum;
    } else {
      let position = group.x - VOCABULARY;
      var sum = vec4f();
      for (var row = position; row < ROWS; row += T) {
        sum += dx[row * D4 + c];
      }
      gradients[WPE + position * D4 + c] = sum;
    }
  }
}
