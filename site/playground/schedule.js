// The learning rate of each update, as tinygpt/schedule.py has it: warm-up, then a constant rate, or one that falls as a
// cosine to a share of it. It depends on the settings and the update's number alone, so a run that goes on keeps it.

const WARM_SHARE = 0.05; // of the steps
const DECAY_TO = 0.1; // of the rate

/** The settings of a training of so many steps: a short warm-up, and a fall until the last step. */
export const settingsOf = ({ steps, learningRate }) => ({
  learningRate,
  warmupSteps: Math.ceil(WARM_SHARE * steps),
  decaySteps: steps,
  decayTo: DECAY_TO,
});

/** The rate of an update, counted from 0. */
export function learningRateAt({ learningRate, warmupSteps = 0, decaySteps = 0, decayTo = 0 }, step) {
  if (step < warmupSteps) return (learningRate * (step + 1)) / (warmupSteps + 1);
  if (!decaySteps) return learningRate;
  const fallen = Math.min(1, (step - warmupSteps) / Math.max(1, decaySteps - warmupSteps));
  return learningRate * (decayTo + ((1 - decayTo) * (1 + Math.cos(Math.PI * fallen))) / 2);
}
