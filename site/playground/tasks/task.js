// A running task: its answers to the page, what the page asks of it meanwhile, and turns, in which messages arrive.

const PAUSED_MS = 50; // between looks whether a paused task goes on
const LONGEST_REST_MS = 2000;

// Lets waiting messages arrive; a timer would cost 4 ms each time.
const channel = new MessageChannel();
let wake = null;
channel.port1.onmessage = () => wake();
const arrivals = () => new Promise((resolve) => ((wake = resolve), channel.port2.postMessage(0)));

const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

let share = 1; // of the time that tasks may compute

/** Compute during a share of the time only, from 0 (hardly ever) to 1; for a page in a hidden tab. */
export function setPace(wanted) {
  share = Math.min(1, Math.max(0, Number(wanted) || 0));
}

/** One running task. */
export class Task {
  /**
   * @param {number} id of its message
   * @param {string} type name of the task
   * @param {(message: object) => void} send answers the page
   * @param {() => Promise<void>} others runs the waiting tasks that may come between the steps of a longer one
   */
  constructor(id, type, send, others) {
    Object.assign(this, { id, type, others, stopped: false, paused: false, keep: false });
    this._send = send;
    this._unseen = 0; // pieces of progress that the page has not confirmed yet
    this._resumed = performance.now();
  }

  /** Send a piece of progress. */
  post(message) {
    this._unseen += 1;
    this._send({ id: this.id, type: "progress", ...message });
  }

  /** True if the page has confirmed all progress: a slow page gets larger pieces instead of a queue of them. */
  get followed() {
    return this._unseen === 0;
  }

  /** Let messages arrive, and rest as the pace asks. */
  async turn() {
    const busy = performance.now() - this._resumed;
    await arrivals();
    if (share < 1) await sleep(Math.min(LONGEST_REST_MS, busy * (1 / share - 1)));
    this._resumed = performance.now();
  }

  /** Wait while the task is paused; other tasks come between. */
  async whilePaused() {
    while (this.paused && !this.stopped) {
      await this.others();
      await sleep(PAUSED_MS);
    }
    this._resumed = performance.now();
  }

  /** What a message asks of a running task, by its type. */
  static controls = {
    stop: (task) => (task.stopped = true),
    pause: (task) => (task.paused = true),
    resume: (task) => (task.paused = false),
    keep: (task) => (task.keep = true),
    seen: (task) => (task._unseen = Math.max(0, task._unseen - 1)),
  };
}
