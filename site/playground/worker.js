// The page's worker: it holds the model and does all arithmetic, so that the page never waits.
//
// Messages to it are {id, type, ...}; answers have the same id: {id, type: "progress" | "done" | "error", ...}. Tasks
// run one at a time, but those marked `between` also run between the steps of a training, with its weights of that
// moment. "stop", "pause", "resume" and "keep" (save the training soon) act on the innermost running task, or on that of
// type `of`; "seen" confirms a piece of progress of task `id`; "pace" sets the `share` of the time in which tasks
// compute. These have no answer.

import { chooseBackend } from "./backends.js";
import {
  deleteKept, exportCheckpoint, listKept, openCheckpoint, openSnapshot, restore, takeSnapshot,
} from "./tasks/checkpoints.js";
import { write } from "./tasks/generation.js";
import { estimate, judge, measure } from "./tasks/measuring.js";
import { predict } from "./tasks/prediction.js";
import { setPace, Task } from "./tasks/task.js";
import { train } from "./tasks/training.js";

// Only refused memory throws a RangeError here.
const REFUSED =
  "This device refused the memory that the model needs. Choose a smaller preset, or close other tabs; " +
  "everything else on this page works as before.";

// Type of message → what it does with the message and the task; returns the answer.
const TASKS = {
  start: { run: chooseBackend },
  open: { run: openCheckpoint },
  openSnapshot: { run: openSnapshot },
  restore: { run: restore },
  train: { run: train },
  measure: { run: measure },
  judge: { run: judge },
  estimate: { run: estimate, between: true },
  export: { run: exportCheckpoint, between: true },
  snapshot: { run: takeSnapshot, between: true },
  kept: { run: listKept, between: true },
  delete: { run: deleteKept, between: true },
  generate: { run: write, between: true },
  predict: { run: predict, between: true },
};

const waiting = []; // messages of tasks that have not begun, the oldest first
const running = []; // the innermost task last

async function run({ id, type, ...message }) {
  const task = new Task(id, type, (answer) => self.postMessage(answer), runBetween);
  running.push(task);
  try {
    const result = await TASKS[type].run(message, task);
    const transfer = Object.values(result).filter((value) => value instanceof ArrayBuffer);
    self.postMessage({ id, type: "done", ...result }, transfer);
  } catch (error) {
    const words = error instanceof RangeError ? REFUSED : (error?.message ?? String(error));
    self.postMessage({ id, type: "error", message: words });
  } finally {
    running.pop();
  }
}

async function runBetween() {
  for (;;) {
    const next = waiting.findIndex(({ type }) => TASKS[type]?.between);
    if (next < 0) return;
    await run(waiting.splice(next, 1)[0]);
  }
}

async function runAll() {
  while (waiting.length) await run(waiting.shift());
}

self.onmessage = ({ data }) => {
  const { type, id, of, share } = data;
  if (type === "pace") setPace(share);
  else if (Object.hasOwn(Task.controls, type)) {
    const task = running.findLast((one) => (id === undefined || one.id === id) && (!of || one.type === of));
    if (task) Task.controls[type](task);
  } else {
    waiting.push(data);
    if (waiting.length === 1 && !running.length) runAll();
  }
};
