// Student's and the normal distribution, for intervals (bench/statistics/evidence.py has them from SciPy).

const COEFFICIENTS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
];

// Logarithm of the gamma function by Lanczos' series, x > 0.5.
const logGamma = (x) => {
  const base = x + 6.5;
  const sum = COEFFICIENTS.reduce((total, value, index) => total + (index ? value / (x + index - 1) : value), 0);
  return 0.5 * Math.log(2 * Math.PI) + (x - 0.5) * Math.log(base) - base + Math.log(sum);
};

// The regularized incomplete beta function by Lentz's continued fraction, for x below its mean.
const betaFraction = (x, a, b) => {
  const front = Math.exp(logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x)) / a;
  let [c, d, value] = [1, 0, 1];
  for (let step = 0; step < 300; step += 1) {
    const m = Math.floor(step / 2);
    let term = 1;
    if (step) {
      term = step % 2
        ? (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1))
        : (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    }
    d = 1 / (1 + term * d || 1e-300);
    c = 1 + term / c || 1e-300;
    value *= c * d;
    if (step && Math.abs(1 - c * d) < 1e-15) break;
  }
  return front * (value - 1);
};

const incompleteBeta = (x, a, b) => {
  if (x <= 0 || x >= 1) return x <= 0 ? 0 : 1;
  return x < (a + 1) / (a + b + 2) ? betaFraction(x, a, b) : 1 - betaFraction(1 - x, b, a);
};

// P(T ≤ t) for Student's distribution.
export const student = (freedom, t) => {
  const tail = incompleteBeta(freedom / (freedom + t * t), freedom / 2, 0.5) / 2;
  return t > 0 ? 1 - tail : tail;
};

// The x at which a rising function reaches a probability.
const inverse = (rising, probability) => {
  let [low, high] = [-1, 1];
  while (rising(low) > probability) low *= 2;
  while (rising(high) < probability) high *= 2;
  for (let step = 0; step < 200 && high - low > 1e-15 * Math.max(1, Math.abs(low)); step += 1) {
    const middle = (low + high) / 2;
    if (rising(middle) < probability) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
};

export const studentQuantile = (freedom, probability) => inverse((t) => student(freedom, t), probability);

// P(X ≤ x) for the normal distribution: the series around 0; levels of this project lie well within its reach.
const normal = (x) => {
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum) && n < 500; n += 1) {
    term *= (x * x) / (2 * n + 1);
    sum += term;
  }
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
};

export const normalQuantile = (probability) => inverse(normal, probability);
