// A loss curve on the training's clock: plain data of bounded length, which messages and files can hold.
//
//   {train, heldOut}    the text trained on, a loss for each step, and the part held out, one for each evaluation
//
// Each is {points, stretch, sum, n}: a point is [seconds, loss], the mean of `stretch` consecutive losses, of which
// the next point has n so far. When the points are too many, two neighbours become one.

const ROOM = 600;

const newLine = () => ({ points: [], stretch: 1, sum: 0, n: 0 });

/** A curve without points. */
export const newCurve = () => ({ train: newLine(), heldOut: newLine() });

/** Add a loss to a line of a curve. */
export function addLoss(line, seconds, loss) {
  line.sum += loss;
  line.n += 1;
  if (line.n < line.stretch) return;
  line.points.push([seconds, line.sum / line.n]);
  [line.sum, line.n] = [0, 0];
  if (line.points.length < ROOM) return;
  const { points } = line;
  const pairs = points.filter((_, i) => i % 2).map(([end, second], i) => [end, (points[2 * i][1] + second) / 2]);
  Object.assign(line, { points: pairs, stretch: 2 * line.stretch });
}
